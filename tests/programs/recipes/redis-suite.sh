# Redis's own tests, which are scripts for Tcl: nothing is compiled.
needs="tclsh"
products="ready"
extras="tests"

make_products() {
    touch ready
}
