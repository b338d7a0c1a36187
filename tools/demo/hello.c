#include <stdio.h>
#include <time.h>

int main(void) {
    time_t now = time(NULL);
    printf("hello from C; the clock says %s", asctime(gmtime(&now)));
    return 0;
}
