/* A server of one page: says how many came before. */
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void) {
    struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(80) };
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&any, sizeof any) || listen(listener, 16)) return 1;
    for (int before = 0;; before++) {
        char request[4096];
        int client = accept(listener, 0, 0);
        if (read(client, request, sizeof request) > 0)
            dprintf(client, "HTTP/1.0 200 OK\r\n\r\nhello from a guest; %d came before\n", before);
        close(client);
    }
}
