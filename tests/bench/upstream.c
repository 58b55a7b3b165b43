/* A stand-in for api.anthropic.com on 127.0.0.1, fast enough not to be what is measured.
 *
 *     upstream EVENTS SPACING_US
 *
 * One thread, epoll, HTTP/1.1 with keep-alive, plain. Prints the port that it listens on. A request is read to its last
 * byte; then it is answered with a canned message, or, where the last bytes of the body ask for `"stream":true`, with EVENTS
 * text deltas SPACING_US apart. Each delta carries the time it was written at as `@t=NANOSECONDS;` (CLOCK_MONOTONIC, which
 * all processes of one machine share). Answers name the model that was asked for, so that a splice can be seen.
 * `GET /stats` gives the numbers of connections and requests so far.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 1024, FIRST_ROOM = 1 << 16, MAX_REQUEST = 1 << 26, TAIL = 512, MODEL_ROOM = 96 };

typedef struct {
    char *bytes;
    size_t length, room;
    size_t whole;     /* head and body of the request being read; 0 while its head is incomplete */
    size_t body;      /* where the body starts */
    int events_left;  /* of the stream being written; 0 when none is */
    int64_t due_ns;
} Connection;

static Connection *connections[MAX_CONNECTIONS]; /* by file descriptor */
static int top, events_per_stream;
static int64_t spacing_ns;
static long long accepted, answered;

static int64_t now_ns(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1000000000LL + at.tv_nsec;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

static int send_all(int fd, const char *bytes, size_t length) {
    while (length) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            struct pollfd room = {fd, POLLOUT, 0};
            poll(&room, 1, 1000);
            continue;
        }
        if (sent <= 0) return -1;
        bytes += sent;
        length -= (size_t)sent;
    }
    return 0;
}

static int send_chunk(int fd, const char *text) {
    char framed[2048];
    int length = snprintf(framed, sizeof framed, "%zx\r\n%s\r\n", strlen(text), text);
    return send_all(fd, framed, (size_t)length);
}

static void model_asked(const Connection *it, char model[MODEL_ROOM]) {
    const char *start = it->bytes + it->body, *end = it->bytes + it->whole;
    const char *key = memmem(start, (size_t)(end - start) < 256 ? (size_t)(end - start) : 256, "\"model\":\"", 9);
    size_t length = 0;
    for (key = key ? key + 9 : end; key + length < end && key[length] != '"' && length < MODEL_ROOM - 1;) length++;
    memcpy(model, key, length);
    model[length] = 0;
}

static int asks_stream(const Connection *it) {
    size_t length = it->whole - it->body, tail = length < TAIL ? length : TAIL;
    return memmem(it->bytes + it->whole - tail, tail, "\"stream\":true", 13) != NULL;
}

static int start_stream(int fd, Connection *it, const char *model) {
    static const char head[] =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n"
        "request-id: req_bench\r\ntransfer-encoding: chunked\r\n\r\n";
    char opening[1024];
    snprintf(opening, sizeof opening,
             "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_bench\",\"type\":\"message\",\"role\":"
             "\"assistant\",\"model\":\"%s\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":"
             "1200,\"cache_creation_input_tokens\":300,\"cache_read_input_tokens\":9000,\"output_tokens\":1}}}\n\n"
             "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\","
             "\"text\":\"\"}}\n\n",
             model);
    it->events_left = events_per_stream;
    it->due_ns = now_ns() + spacing_ns;
    return send_all(fd, head, sizeof head - 1) || send_chunk(fd, opening);
}

static int next_event(int fd, Connection *it) {
    char event[512];
    snprintf(event, sizeof event,
             "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\","
             "\"text\":\"some words @t=%lld; \"}}\n\n",
             (long long)now_ns());
    if (send_chunk(fd, event)) return -1;
    it->due_ns += spacing_ns;
    if (--it->events_left) return 0;
    snprintf(event, sizeof event,
             "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
             "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},"
             "\"usage\":{\"output_tokens\":%d}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
             events_per_stream * 12);
    return send_chunk(fd, event) || send_all(fd, "0\r\n\r\n", 5);
}

static int send_json(int fd, const char *json) {
    char answer[4096];
    int length = snprintf(answer, sizeof answer,
                          "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nrequest-id: req_bench\r\ncontent-length: %zu\r\n\r\n%s",
                          strlen(json), json);
    return send_all(fd, answer, (size_t)length);
}

static int answer(int fd, Connection *it) {
    char json[3072], model[MODEL_ROOM];
    if (!strncmp(it->bytes, "GET /stats ", 11)) {
        snprintf(json, sizeof json, "{\"connections\":%lld,\"requests\":%lld}", accepted, answered);
        return send_json(fd, json);
    }
    answered++;
    model_asked(it, model);
    if (asks_stream(it)) return start_stream(fd, it, model);
    char words[1001];
    for (size_t at = 0; at < sizeof words - 1; at++) words[at] = "an answer of words "[at % 19];
    words[sizeof words - 1] = 0;
    snprintf(json, sizeof json,
             "{\"id\":\"msg_bench\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"%s\",\"content\":[{\"type\":\"text\",\"text\":"
             "\"%s\"}],\"stop_reason\":\"end_turn\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":1200,"
             "\"cache_creation_input_tokens\":300,\"cache_read_input_tokens\":9000,\"output_tokens\":210}}",
             model, words);
    return send_json(fd, json);
}

/* Finds the end of the head and the length of the body; 0 while the head is incomplete. */
static void measure(Connection *it) {
    const char *end = memmem(it->bytes, it->length, "\r\n\r\n", 4);
    if (!end) return;
    it->body = (size_t)(end - it->bytes) + 4;
    it->whole = it->body;
    for (const char *line = it->bytes; line && line < end; line = memmem(line, (size_t)(end - line), "\r\n", 2)) {
        if (*line == '\r') line += 2;
        if (!strncasecmp(line, "content-length:", 15)) it->whole += strtoull(line + 15, NULL, 10);
    }
    if (it->whole > MAX_REQUEST) die("request too large");
    if (it->whole + 1 > it->room) {
        it->room = it->whole + 1;
        if (!(it->bytes = realloc(it->bytes, it->room))) die("realloc");
    }
}

static void forget(int fd) {
    free(connections[fd]->bytes);
    free(connections[fd]);
    connections[fd] = NULL;
    close(fd);
}

static void readable(int fd) {
    Connection *it = connections[fd];
    if (it->length + 1 >= it->room) {
        it->room *= 2;
        if (!(it->bytes = realloc(it->bytes, it->room))) die("realloc");
    }
    ssize_t got = recv(fd, it->bytes + it->length, it->room - it->length - 1, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        forget(fd);
        return;
    }
    it->length += (size_t)got;
    it->bytes[it->length] = 0;
    if (!it->whole) measure(it);
    if (!it->whole || it->length < it->whole) return;
    if (answer(fd, it)) {
        forget(fd);
        return;
    }
    memmove(it->bytes, it->bytes + it->whole, it->length - it->whole);
    it->length -= it->whole;
    it->whole = 0;
}

static void accept_one(int listener, int queue) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK), on = 1;
    if (fd < 0) return;
    if (fd >= MAX_CONNECTIONS) die("too many connections");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    Connection *it = calloc(1, sizeof *it);
    if (!it || !(it->bytes = malloc(FIRST_ROOM))) die("malloc");
    it->room = FIRST_ROOM;
    connections[fd] = it;
    accepted++;
    if (fd > top) top = fd;
    struct epoll_event wish = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(queue, EPOLL_CTL_ADD, fd, &wish);
}

/* Writes the events that are due and sets the timer to the next one. */
static void serve_streams(int timer) {
    int64_t next = 0;
    for (int fd = 0; fd <= top; fd++) {
        Connection *it = connections[fd];
        while (it && it->events_left && it->due_ns <= now_ns())
            if (next_event(fd, it)) {
                forget(fd);
                it = NULL;
            }
        if (it && it->events_left && (!next || it->due_ns < next)) next = it->due_ns;
    }
    struct itimerspec at = {.it_value = {next / 1000000000LL, next % 1000000000LL}};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
}

int main(int argc, char **argv) {
    if (argc != 3) return fprintf(stderr, "upstream EVENTS SPACING_US\n"), 2;
    events_per_stream = atoi(argv[1]);
    spacing_ns = atoll(argv[2]) * 1000;
    signal(SIGPIPE, SIG_IGN);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), queue = epoll_create1(0);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 256)) die("listen");
    getsockname(listener, (struct sockaddr *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (int which = 0; which < 2; which++) {
        struct epoll_event wish = {.events = EPOLLIN, .data.fd = which ? timer : listener};
        epoll_ctl(queue, EPOLL_CTL_ADD, wish.data.fd, &wish);
    }
    for (;;) {
        struct epoll_event ready[64];
        int count = epoll_wait(queue, ready, 64, -1);
        for (int at = 0; at < count; at++) {
            int fd = ready[at].data.fd;
            if (fd == listener) accept_one(listener, queue);
            else if (fd != timer && connections[fd]) readable(fd);
        }
        serve_streams(timer);
    }
}
