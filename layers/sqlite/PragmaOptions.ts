/** The pragmas that a program chooses: of the connection, and of a new file. */
import type * as Duration from "effect/Duration"

/**
 * The pragmas of the connection that is handed out. Each is set, read back, and proven again by `health`.
 * `foreign_keys` is not among them: it is always on. What SQLite does with each: https://sqlite.org/pragma.html.
 */
export interface Pragmas {
  /**
   * How long a statement of the service waits for a lock, inside SQLite, with the event loop standing still. A duration
   * of whole milliseconds. Default 5 s. During the start, and while `DatabaseReady.write` asks for the lock, it is 0.
   */
  readonly busyTimeout: Duration.DurationInput
  /**
   * Default `wal`: readers do not block the writer (https://sqlite.org/wal.html). An in-memory database has `memory`
   * whatever is asked for.
   */
  readonly journalMode: "wal" | "delete" | "truncate" | "persist"
  /**
   * Default `normal`: with WAL a power loss may cost the last commits, never integrity. `full` keeps every commit, and
   * flushes at each (https://sqlite.org/pragma.html#pragma_synchronous).
   */
  readonly synchronous: "normal" | "full" | "extra"
  /**
   * Whether SQL in the schema may call functions with side effects. Default false
   * (https://sqlite.org/pragma.html#pragma_trusted_schema).
   */
  readonly trustedSchema: boolean
  /** Finds damaged pages when they are read, at a small cost. Default true. */
  readonly cellSizeCheck: boolean
  /**
   * Bytes of a journal that are kept after a checkpoint; -1 for no limit. Default 64 MiB. `health` warns of a larger WAL
   * (https://sqlite.org/pragma.html#pragma_journal_size_limit).
   */
  readonly journalSizeLimit: number
  /** Where temporary tables and indexes are. Default `memory`. */
  readonly tempStore: "default" | "file" | "memory"
  /** Page cache: pages when positive, KiB when negative. Default -64000 (64 MB). */
  readonly cacheSize: number
  /**
   * Bytes of the file that are mapped into memory. Default 0: with several processes an I/O error in a mapping is a
   * signal, not an error (https://sqlite.org/mmap.html).
   */
  readonly mmapSize: number
  /**
   * Whether deleted content is overwritten with zeros; `fast` does so only where it costs no write. Default SQLite's own,
   * as for all that follow (https://sqlite.org/pragma.html#pragma_secure_delete).
   */
  readonly secureDelete?: boolean | "fast" | undefined
  /** Pages in the WAL from which a commit makes a checkpoint; 0 for never, as where `maintenance` makes them. */
  readonly walAutocheckpoint?: number | undefined
  /** Whether a trigger may fire itself (https://sqlite.org/pragma.html#pragma_recursive_triggers). */
  readonly recursiveTriggers?: boolean | undefined
  /** How many rows of an index `ANALYZE` and `PRAGMA optimize` look at; 0 for all. */
  readonly analysisLimit?: number | undefined
  /** How many more threads one statement may sort with. */
  readonly threads?: number | undefined
  /** Bytes of heap that SQLite tries to keep within, for all databases of the process; 0 for no limit. */
  readonly softHeapLimit?: number | undefined
  /**
   * Bytes of heap that SQLite cannot exceed, for all databases of the process: a statement that needs more fails with
   * `SQLITE_NOMEM`. It is there until the process ends, and can only be lowered: a higher one, and 0, are refused then
   * (https://sqlite.org/pragma.html#pragma_hard_heap_limit).
   */
  readonly hardHeapLimit?: number | undefined
  /**
   * Pages that the file may have. What needs more fails with `SQLITE_FULL`, a migration too; a file that has more is
   * refused (https://sqlite.org/pragma.html#pragma_max_page_count).
   */
  readonly maxPageCount?: number | undefined
  /**
   * Whether a transaction may write pages before it commits, where its changes do not fit into the page cache. Without
   * it they stay in memory, however many they are (https://sqlite.org/pragma.html#pragma_cache_spill).
   */
  readonly cacheSpill?: boolean | undefined
  /** Whether a query may make an index for itself (https://sqlite.org/optoverview.html#automatic_query_time_indexes). */
  readonly automaticIndex?: boolean | undefined
  /**
   * Whether each flush reaches the disk itself, on macOS; it is slow there. Elsewhere it is kept, and changes nothing
   * (https://sqlite.org/pragma.html#pragma_fullfsync).
   */
  readonly fullFsync?: boolean | undefined
  /** The same for checkpoints alone. */
  readonly checkpointFullFsync?: boolean | undefined
}

/** What is not chosen. */
export const defaultPragmas: Pragmas = {
  busyTimeout: "5 seconds",
  journalMode: "wal",
  synchronous: "normal",
  trustedSchema: false,
  cellSizeCheck: true,
  journalSizeLimit: 64 * 1024 * 1024,
  tempStore: "memory",
  cacheSize: -64_000,
  mmapSize: 0
}

/**
 * What a file gets before its first page and keeps. It is set and read back where this start makes the file or finds
 * it empty; a database that is there keeps what it has.
 */
export interface NewFile {
  /** Bytes of a page, a power of two from 512 to 65536. Default SQLite's, 4096 (https://sqlite.org/pragma.html#pragma_page_size). */
  readonly pageSize?: number | undefined
  /** Default `none`: pages that are freed stay in the file (https://sqlite.org/pragma.html#pragma_auto_vacuum). */
  readonly autoVacuum?: "none" | "full" | "incremental" | undefined
  /** How text is kept. Default `UTF-8`. */
  readonly encoding?: "UTF-8" | "UTF-16le" | "UTF-16be" | undefined
}
