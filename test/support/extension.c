/* An extension for tests: the collation `backwards`, and the FTS5 tokenizer `words`. */
#include "sqlite3ext.h"
SQLITE_EXTENSION_INIT1
#include <string.h>

static int backwards(void *unused, int a, const void *one, int b, const void *other) {
  int order = memcmp(one, other, a < b ? a : b);
  return -(order != 0 ? order : a - b);
}

static fts5_api *fts5Of(sqlite3 *db) {
  fts5_api *api = 0;
  sqlite3_stmt *statement = 0;
  if (sqlite3_prepare(db, "SELECT fts5(?1)", -1, &statement, 0) == SQLITE_OK) {
    sqlite3_bind_pointer(statement, 1, (void *)&api, "fts5_api_ptr", 0);
    sqlite3_step(statement);
  }
  sqlite3_finalize(statement);
  return api;
}

int sqlite3_extension_init(sqlite3 *db, char **error, const sqlite3_api_routines *routines) {
  SQLITE_EXTENSION_INIT2(routines)
  fts5_api *api = fts5Of(db);
  fts5_tokenizer ascii;
  void *context;
  if (api != 0 && api->xFindTokenizer(api, "ascii", &context, &ascii) == SQLITE_OK) {
    api->xCreateTokenizer(api, "words", context, &ascii, 0);
  }
  return sqlite3_create_collation(db, "backwards", SQLITE_UTF8, 0, backwards);
}
