// Stands for modules of packages that nothing in the program calls.
