// flags: -pthread --no-net
// only: library_os
// also: library_os
// ends: status 134
// says: waits for a box
/* Nobody can end the wait of the only thread: the program ends, and says for what it waited. */
#include "minted.h"

int main(void)
{
	char byte;
	begin_boxes();
	return read(box_of(0), &byte, 1) != 0;
}
