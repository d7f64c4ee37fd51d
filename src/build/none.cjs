// Stands for packages that @effect/sql-pg loads and the program does not use.
