# A paravirtualised guest. It says hello and its command line, then ends with status 42: by its last
# words, or as dom0, where it has the port, by that.
.intel_syntax noprefix
.macro NOTE type, bytes:vararg
    .balign 4
    .long 4, 881f - 880f, \type
    .asciz "Xen"
    880: \bytes
    881:
.endm
.section .note.Xen,"a",@note
NOTE 5, .asciz "xen-3.0"
NOTE 8, .asciz "generic"
NOTE 3, .quad 0
NOTE 4, .quad 0
NOTE 1, .quad _start
NOTE 2, .quad hypercalls
NOTE 17, .long 0x801
.section .note.GNU-stack,"",@progbits

.text
.globl _start
_start:
    lea rsp, [stack_end]
    mov rbx, rsi
    test dword ptr [rbx + 48], 2
    jz guest

    # As dom0: console_io, set_iopl, and the port.
    xor edi, edi
    mov esi, hello_end - hello
    lea rdx, [hello]
    call hypercalls + 32 * 18
    mov edi, 6
    lea rsi, [iopl]
    call hypercalls + 32 * 33
    mov eax, 42
    mov edx, 0xf4
    out dx, eax
    1: jmp 1b

    # Below dom0: the console's ring.
    guest:
    lea rdi, [ring]
    mov rsi, [rbx + 72]
    shl rsi, 12
    or rsi, 3
    mov edx, 2
    call hypercalls + 32 * 14
    lea rdi, [ring + 1024]
    lea rsi, [hello]
    mov ecx, hello_end - hello
    rep movsb
    lea rsi, [rbx + 128]
    2: lodsb
    stosb
    test al, al
    jnz 2b
    mov byte ptr [rdi - 1], '\n'
    lea rsi, [last]
    mov ecx, last_end - last
    rep movsb
    lea rax, [ring + 1024]
    sub rdi, rax
    mov [ring + 3084], edi
    mov eax, [rbx + 80]
    mov [port], eax
    mov edi, 4
    lea rsi, [port]
    call hypercalls + 32 * 32
    3: xor edi, edi
    call hypercalls + 32 * 29
    mov eax, [ring + 3080]
    cmp eax, [ring + 3084]
    jne 3b
    mov edi, 2
    lea rsi, [reason]
    call hypercalls + 32 * 29
    4: jmp 4b

.balign 4096
hypercalls: .zero 4096, 0x90

.data
hello: .ascii "hello from Xen\n"
hello_end:
last: .ascii "muslin: exit status 42\n"
last_end:
.balign 8
iopl: .long 1
port: .long 0
reason: .long 0

.bss
.balign 4096
ring: .zero 4096
.zero 4096
stack_end:
