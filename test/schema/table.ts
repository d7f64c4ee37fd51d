/** Many cases of one rule, each with what comes out. */
import { assert, it } from "vitest"

export const table = <A, B>(
  title: string,
  actual: (given: A) => B,
  cases: ReadonlyArray<readonly [given: A, expected: B]>
): void =>
  it(title, () => {
    for (const [given, expected] of cases) assert.deepStrictEqual(actual(given), expected, JSON.stringify(given))
  })
