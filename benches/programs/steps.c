/* A plugin of QEMU's that counts what a guest executes: instructions at addresses from `low` to `high`, but for those that
 * repeat themselves (`rep stos`, `rep movs`), of which QEMU executes one for each step. Each time the processor comes to one of the addresses `at`, a line goes to the file `out`: the address, and the count by then.
 *
 *   -plugin ./steps.so,out=FILE,low=0x…,high=0x…,at=0x…,at=0x…
 *
 * QEMU's interface for plugins is declared here, as far as it is used: version 1, of QEMU 4.2 to 8.1. One processor. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef uint64_t qemu_plugin_id_t;
enum { ADD_TO_WORD, NO_REGISTERS = 0 };
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *, void (*)(unsigned, void *), int, void *);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *, int, void *, uint64_t);

#define EXPORTED __attribute__((visibility("default")))
#define PLACES_MAX 8

static uint64_t low, high, count, places[PLACES_MAX];
static size_t places_count;
static FILE *out;

static void arrive(unsigned processor, void *place)
{
	fprintf(out, "%" PRIx64 " %" PRIu64 "\n", *(uint64_t *)place, count);
	fflush(out);
}

static int repeats(const struct qemu_plugin_insn *instruction)
{
	const uint8_t *byte = qemu_plugin_insn_data(instruction), *end = byte + qemu_plugin_insn_size(instruction);

	if (byte == end || *byte++ != 0xf3)
		return 0;
	/* A prefix for 64 bits. */
	if (byte < end && (*byte & 0xf0) == 0x40)
		byte++;
	return byte < end && (*byte == 0xa4 || *byte == 0xa5 || *byte == 0xaa || *byte == 0xab);
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
		struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, i);
		uint64_t address = qemu_plugin_insn_vaddr(instruction);

		for (size_t place = 0; place < places_count; place++)
			if (places[place] == address)
				qemu_plugin_register_vcpu_insn_exec_cb(instruction, arrive, NO_REGISTERS, &places[place]);
		if (address >= low && address < high && !repeats(instruction))
			qemu_plugin_register_vcpu_insn_exec_inline(instruction, ADD_TO_WORD, &count, 1);
	}
}

EXPORTED int qemu_plugin_version = 1;

EXPORTED int qemu_plugin_install(qemu_plugin_id_t id, const void *about, int words_count, char **words)
{
	for (int i = 0; i < words_count; i++) {
		char *value = strchr(words[i], '=');
		uint64_t number;

		if (!value)
			return 1;
		value++;
		number = strtoull(value, 0, 0);
		if (!strncmp(words[i], "low=", 4))
			low = number;
		else if (!strncmp(words[i], "high=", 5))
			high = number;
		else if (!strncmp(words[i], "at=", 3) && places_count < PLACES_MAX)
			places[places_count++] = number;
		else if (!strncmp(words[i], "out=", 4))
			out = fopen(value, "w");
		else
			return 1;
	}
	if (!out)
		return 1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
	return 0;
}
