/** What to do about a code of SQLite or the system, whatever statement or call it came from. */

/** Undefined if a code has many causes: its message then says more. */
export const codeRemedy = (code: string): string | undefined => remedies.find(([codes]) => codes.test(code))?.[1]

export const damaged =
  "Stop every program that writes to it. Then restore a backup with `database-ready restore`, or save what can be read: `sqlite3 FILE .recover > saved.sql`."

export const onOpenRemedy =
  "Fix what the message names in `onOpen`, or in the module that it names. It may read, may not write, and has to be done when it returns."

const remedies: ReadonlyArray<readonly [codes: RegExp, remedy: string]> = [
  [/^ON_OPEN$/, onOpenRemedy],
  [/^SQLITE_(IOERR_)?NOMEM$/, "Give the process more memory. If `pragmas.hardHeapLimit` is set, raise it."],
  [/NOMEM$/, "Give the process more memory."],
  [/^SQLITE_(BUSY|LOCKED|PROTOCOL)/, "Let the other process finish, or stop it."],
  [/^SQLITE_FULL$/, "Free some space on the filesystem. If `pragmas.maxPageCount` is set, raise it."],
  [/^(ENOSPC|EDQUOT)$/, "Free some space on the filesystem."],
  [/^SQLITE_(CORRUPT|NOTADB)/, damaged],
  [
    /^(SQLITE_READONLY|EROFS)$/,
    "Give the file to the user that runs this program, or mount its filesystem for writing."
  ],
  [
    /^SQLITE_READONLY_DBMOVED$/,
    "Put the right file at that path, then start again: the file that this start opened was moved or deleted."
  ],
  [
    /^SQLITE_READONLY_(ROLLBACK|RECOVERY)$/,
    "Start the program as a user who may write the file and its directory: SQLite then recovers from the crash."
  ],
  [
    /^SQLITE_READONLY_(CANTLOCK|CANTINIT)$/,
    "Give the -wal and the -shm beside the database to the user that runs this program."
  ],
  [
    /^SQLITE_READONLY_DIRECTORY$/,
    "Let this user write in the directory of the database: SQLite makes its journal there."
  ],
  [/^SQLITE_CANTOPEN_ISDIR$/, "Move away the directory that is where SQLite needs a file, or choose another path."],
  [/^SQLITE_CANTOPEN_SYMLINK$/, "Replace the link with the file, or give the path of the file itself."],
  [
    /^SQLITE_CANTOPEN/,
    "Check that the database's directory still exists, and that this user can read and write the file and create files beside it."
  ],
  [/^(EACCES|EPERM|SQLITE_PERM|SQLITE_AUTH)$/, "Let this user read and write the file and its directory."],
  [/^(EMFILE|ENFILE)$/, "Raise the limit of open files (`ulimit -n`), or close some."],
  [
    /^(SQLITE_IOERR|EIO$)/,
    "Check the disk and the kernel's log. If the disk is at fault, restore a backup on another one."
  ]
]
