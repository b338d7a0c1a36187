/* Xen's headers include it and want nothing of it but these. */
#include <stdint.h>
