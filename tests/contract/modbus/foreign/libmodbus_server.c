/* A server by libmodbus: on TCP without an argument, on the serial port that is named as RTU. */

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <modbus/modbus.h>

enum { SIZE = 300 };

static modbus_mapping_t *image(void)
{
    modbus_mapping_t *held = modbus_mapping_new(SIZE, SIZE, SIZE, SIZE);
    if (held == NULL) return NULL;
    for (int at = 0; at < SIZE; at++) {
        held->tab_registers[at] = (uint16_t)(at * 257 + 3);
        held->tab_input_registers[at] = (uint16_t)(at * 11 + 1);
        held->tab_bits[at] = at % 3 == 0;
        held->tab_input_bits[at] = at % 2 == 1;
    }
    return held;
}

/* Answer until the client goes; a request for another unit is libmodbus' to ignore. */
static void serve(modbus_t *line, modbus_mapping_t *held)
{
    uint8_t request[MODBUS_MAX_ADU_LENGTH];
    for (;;) {
        int size = modbus_receive(line, request);
        if (size > 0) modbus_reply(line, request, size, held);
        else if (size < 0 && errno != EMBBADCRC && errno != ETIMEDOUT) return;
    }
}

int main(int count, char **words)
{
    modbus_mapping_t *held = image();
    if (held == NULL) return 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (count > 1) {
        modbus_t *line = modbus_new_rtu(words[1], 19200, 'N', 8, 1);
        if (line == NULL || modbus_set_slave(line, 1) || modbus_connect(line)) return 1;
        puts("0");
        serve(line, held);
        return 0;
    }
    modbus_t *line = modbus_new_tcp("127.0.0.1", 0);
    int listener = line == NULL ? -1 : modbus_tcp_listen(line, 1);
    struct sockaddr_in bound;
    socklen_t size = sizeof bound;
    if (listener < 0 || getsockname(listener, (struct sockaddr *)&bound, &size)) return 1;
    printf("%d\n", ntohs(bound.sin_port));
    while (modbus_tcp_accept(line, &listener) >= 0) serve(line, held);
    return 0;
}
