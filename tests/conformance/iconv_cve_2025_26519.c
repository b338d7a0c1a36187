// fixed-here: musl up to 1.2.5 lets wrong EUC-KR input through to its UTF-8 encoder
/* CVE-2025-26519. The EUC-KR decoder took pairs beyond the table for characters. Those that came
 * out as surrogates made the UTF-8 encoder fail, and the failure, -1, was added to the place where
 * the next character is written and taken off the room that is left: a converter that is fed such
 * pairs walks backwards out of its buffer. Here the buffer has room on both sides, and every pair
 * gets its own call. */
#include "expect.h"
#include <iconv.h>

int main(void)
{
	int converted = 0, refused = 0, incomplete = 0, walked_back = 0, not_utf8 = 0;
	iconv_t cd = iconv_open("UTF-8", "EUC-KR");
	CHECK("iconv_open", cd != (iconv_t)-1);
	for (int pair = 0x8000; pair <= 0xffff; pair++) {
		char in[2] = { pair >> 8, pair & 255 }, room[96], *from = in, *start = room + 32, *to = start;
		size_t in_left = 2, out_left = 32;
		size_t result = iconv(cd, &from, &in_left, &to, &out_left);
		if (to < start || out_left > 32) {
			walked_back++;
		} else if (result != (size_t)-1) {
			/* UTF-8 has no bytes for surrogates: 0xed is followed by 0x80 to 0x9f. */
			converted++;
			if ((unsigned char)start[0] == 0xed && (unsigned char)start[1] > 0x9f) not_utf8++;
		} else if (errno == EILSEQ) {
			refused++;
		} else {
			incomplete++;
		}
	}
	GIVES("pairs after which the converter has walked backwards", walked_back, 0);
	GIVES("pairs that became no UTF-8", not_utf8, 0);
	GIVES("pairs that are neither good nor EILSEQ", incomplete, 0);
	CHECK("the others are converted or refused", converted > 8000 && converted + refused == 0x8000);

	char in[4] = { 0xb0, 0xa1, 0xc8, 0x41 }, room[32], *from = in, *to = room + 8;
	size_t in_left = 4, out_left = 16;
	FAILS("a good pair, then a bad one", iconv(cd, &from, &in_left, &to, &out_left), EILSEQ);
	say("in left %lu, out left %lu, converted %02x %02x %02x", (unsigned long)in_left, (unsigned long)out_left,
		room[8] & 255, room[9] & 255, room[10] & 255);
	GIVES("three bytes written", to - room, 11);
	return finish();
}
