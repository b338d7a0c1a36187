/* iconv between encodings, and multibyte characters in the C and UTF-8 locales. */
#include "expect.h"
#include <iconv.h>
#include <langinfo.h>
#include <locale.h>
#include <wchar.h>
#include <wctype.h>

static void convert(const char *to, const char *from, const char *text, size_t length)
{
	char room[64], hex[160] = "", *in = (char *)text, *out = room;
	size_t left = sizeof room;
	iconv_t cd = iconv_open(to, from);
	if (cd == (iconv_t)-1) {
		say("%s to %s: no such converter, %s", from, to, errno_name(errno));
		return;
	}
	errno = 0;
	size_t result = iconv(cd, &in, &length, &out, &left);
	for (char *p = room; p < out; p++) sprintf(hex + strlen(hex), " %02x", *p & 255);
	say("%s to %s: ret=%ld errno=%s left=%lu:%s", from, to, (long)result, errno_name(errno), (unsigned long)length, hex);
	iconv_close(cd);
}

int main(void)
{
	convert("UTF-16BE", "UTF-8", "a\xc3\xa4\xf0\x9f\x98\x80", 7);
	convert("UTF-8", "UTF-16LE", "a\0\xe4\0\x3d\xd8\0\xde", 8);
	convert("UTF-8", "ISO-8859-1", "Gr\xfc\xdf""e", 5);
	convert("ISO-8859-15", "UTF-8", "\xe2\x82\xac", 3);
	convert("UTF-8", "SHIFT_JIS", "\x93\xfa\x96\x7b", 4);
	convert("UTF-8", "EUC-JP", "\xc6\xfc\xcb\xdc", 4);
	convert("UTF-8", "EUC-KR", "\xc7\xd1\xb1\xb9", 4);
	convert("UTF-8", "GB18030", "\xd6\xd0\xb9\xfa", 4);
	convert("UTF-8", "BIG5", "\xa4\xa4\xb0\xea", 4);
	convert("ISO-2022-JP", "UTF-8", "\xe6\x97\xa5", 3);
	convert("ASCII", "UTF-8", "\xc3\xa4", 2);
	convert("UTF-8", "UTF-8", "ok\xc3", 3);
	convert("UTF-8", "UTF-8", "ok\xff", 3);
	convert("UTF-8", "no-such-encoding", "", 0);
	convert("UCS-4LE", "UTF-8", "\xe2\x82\xac", 3);

	say("locale before: %s, codeset %s", setlocale(LC_ALL, NULL), nl_langinfo(CODESET));
	wchar_t wide[8];
	GIVES("a byte in the C locale (musl keeps it)", mbtowc(wide, "\xe4", 1), 1);
	CHECK("setlocale", setlocale(LC_ALL, "C.UTF-8") != NULL);
	say("locale: %s, codeset %s", setlocale(LC_CTYPE, NULL), nl_langinfo(CODESET));
	GIVES("mbtowc", mbtowc(wide, "\xe2\x82\xac", 3), 3);
	GIVES("the euro sign", wide[0], 0x20ac);
	FAILS("half of it", mbtowc(wide, "\xe2\x82", 2), EILSEQ);
	GIVES("mbstowcs", mbstowcs(wide, "a\xc3\xa4z", 8), 3);
	char back[16];
	GIVES("wcstombs", wcstombs(back, L"\u20ac!", sizeof back), 4);
	CHECK("towupper, iswalpha", towupper(0xe4) == 0xc4 && iswalpha(0x20ac) == 0 && wcwidth(0x4e2d) == 2);
	say("printf of wide: %ls %lc", L"\u00e4", (wint_t)0x4e2d);
	locale_t other = newlocale(LC_ALL_MASK, "C", NULL), old = uselocale(other);
	CHECK("uselocale", old == LC_GLOBAL_LOCALE && uselocale(old) == other);
	say("LANG=nonsense: %s", setlocale(LC_MESSAGES, "xx_YY") ? setlocale(LC_MESSAGES, NULL) : "refused");
	say("decimal point %s, strcoll %d, day %s", localeconv()->decimal_point, strcoll("a", "b") < 0, nl_langinfo(DAY_1));
	return finish();
}
