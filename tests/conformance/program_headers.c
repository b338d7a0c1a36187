/* dl_iterate_phdr, dladdr and the symbols that a static program has. */
#include "expect.h"
#include <dlfcn.h>
#include <elf.h>
#include <link.h>

static __thread volatile int tls = 3;
static int visit(struct dl_phdr_info *info, size_t size, void *objects)
{
	int loads = 0, has_code = 0, has_tls = 0, relro = 0, stack_flags = -1;
	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		unsigned long start = info->dlpi_addr + p->p_vaddr, here = (unsigned long)(void *)visit;
		if (p->p_type == PT_LOAD) {
			loads++;
			if ((p->p_flags & PF_X) && here >= start && here < start + p->p_memsz) has_code = 1;
		}
		if (p->p_type == PT_TLS) has_tls = 1;
		if (p->p_type == PT_GNU_RELRO) relro = 1;
		if (p->p_type == PT_GNU_STACK) stack_flags = p->p_flags;
	}
	CHECK("several loaded parts", loads >= 2);
	CHECK("one holds this code", has_code);
	CHECK("thread-local storage", has_tls && info->dlpi_tls_modid == 1);
	(void)relro;
	CHECK("the stack is not executable", stack_flags == (PF_R | PF_W));
	++*(int *)objects;
	return 5;
}

int main(void)
{
	int objects = 0;
	GIVES("dl_iterate_phdr gives the visitor's answer", dl_iterate_phdr(visit, &objects), 5);
	GIVES("objects", objects, 1);
	GIVES("the variable", tls, 3);
	CHECK("dlopen: a static program has none", dlopen("libnothing.so", RTLD_NOW) == NULL && dlerror() != NULL);
	return finish();
}
