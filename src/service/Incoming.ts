/**
 * Writes what arrives to the disk, under a name of its own, while hashing it. Plain calls and no fiber: a step of a
 * fiber for each chunk and each call took longer than the calls themselves.
 */
import { createHash, randomUUID } from "node:crypto"
import { close, closeSync, fsync, open, unlink, write } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { FileTooLarge, tooLarge } from "./Api.ts"
import { type ContentError, contentErrorOf } from "./ContentError.ts"
import { give, type StoreOwner } from "./StoreOwner.ts"

/** What has arrived, whole and flushed, but is not a content yet. */
export interface Received {
  readonly path: string
  /** In hexadecimal. */
  readonly sha256: string
  /** Bytes. */
  readonly size: number
}

interface Place {
  /** The directory of what arrives. */
  readonly incoming: string
  readonly owner: StoreOwner
  /** Bytes. */
  readonly maxFileSize: number
}

/** How many bytes are written at once. As many again may wait in memory meanwhile. */
const atOnce = 128 * 1024

const disk = {
  open: promisify(open),
  write: promisify(write),
  fsync: promisify(fsync),
  close: promisify(close),
  unlink: promisify(unlink)
}

/** One file on its way in. Call `discard` in the end, also after a failure: it deletes the temporary name. */
export class Arrival {
  private readonly path: string
  private readonly place: Place
  private readonly hash = createHash("sha256")
  private waiting: Array<Uint8Array> = []
  private waitingBytes = 0
  private size = 0
  private written = 0
  private descriptor: number | undefined
  private isFlushed = false
  private created: Promise<number> | undefined
  /** The write under way. It stays if it failed: nothing may follow it. */
  private writing: Promise<void> | undefined

  constructor(place: Place) {
    this.place = place
    this.path = join(place.incoming, randomUUID())
  }

  /** Creates the file, so that it is there when its bytes arrive. A failure comes with the first use of the file. */
  begin(): void {
    this.file().catch(() => undefined)
  }

  /**
   * Takes some bytes. If the disk is slower than the sender, it returns what to wait for before the next ones. Bytes
   * beyond the limit are dropped: then the end fails.
   */
  take(chunk: Uint8Array): Promise<void> | undefined {
    this.size += chunk.length
    if (this.size > this.place.maxFileSize) return undefined
    this.hash.update(chunk)
    this.waiting.push(chunk)
    this.waitingBytes += chunk.length
    if (this.waitingBytes < atOnce) return undefined
    if (this.writing !== undefined) return this.writing
    this.writing = this.flush().then(() => {
      this.writing = undefined
    })
    // The next call that waits for it, or the end, hears of a failure.
    this.writing.catch(() => undefined)
    return undefined
  }

  /** Flushes it to the disk, and says what has arrived. */
  async end(): Promise<Received> {
    await this.writing
    if (this.size > this.place.maxFileSize) throw tooLarge(this.place.maxFileSize)
    const file = await this.file()
    await this.flush()
    await disk.fsync(file)
    this.isFlushed = true
    return { path: this.path, sha256: this.hash.digest("hex"), size: this.size }
  }

  /** Why it could not be received, from what `take` or `end` threw. */
  refusalOf(cause: unknown): FileTooLarge | ContentError {
    return cause instanceof FileTooLarge ? cause : contentErrorOf(this.path, cause)
  }

  /** Closes the file and deletes its temporary name. */
  async discard(): Promise<void> {
    await this.writing?.catch(() => undefined)
    await this.created?.catch(() => undefined)
    if (this.descriptor === undefined) return
    const file = this.descriptor
    this.descriptor = undefined
    try {
      // After a flush there is nothing that closing could wait for. Asking another thread would take longer.
      if (this.isFlushed) closeSync(file)
      else await disk.close(file)
    } finally {
      await disk.unlink(this.path)
    }
  }

  private file(): Promise<number> {
    this.created ??= this.create()
    return this.created
  }

  private async create(): Promise<number> {
    const file = await disk.open(this.path, "wx", 0o600)
    this.descriptor = file
    await give(this.path, "file", this.place.owner)
    return file
  }

  private async flush(): Promise<void> {
    const file = await this.file()
    while (this.waiting.length > 0) {
      const bytes = inOne(this.waiting)
      this.waiting = []
      this.waitingBytes = 0
      for (let at = 0; at < bytes.length; ) {
        const { bytesWritten } = await disk.write(file, bytes, at, bytes.length - at, this.written)
        at += bytesWritten
        this.written += bytesWritten
      }
    }
  }
}

const inOne = (chunks: ReadonlyArray<Uint8Array>): Uint8Array => {
  const [first, second] = chunks
  return first !== undefined && second === undefined ? first : Buffer.concat(chunks)
}
