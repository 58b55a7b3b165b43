/* Load as agents make it: through CONNECT and TLS to a proxy, over connections that are kept.
 *
 *     load PORT HOST CA CONNECTIONS REQUESTS WARM_UP FILE
 *
 * PORT is the proxy's on 127.0.0.1; HOST is asked for in CONNECT and SNI, and the certificate is checked against CA. With
 * "-" for HOST the requests go plainly to PORT itself, which is how the upstream alone is measured. FILE holds one raw
 * HTTP/1.1 request; the sixteen digits after `@n=` in it are another number in each request, so that the last turn of a
 * conversation is always a new one. Each connection has a thread, is set up, sends WARM_UP requests, waits for the others,
 * and then takes its share of REQUESTS. Any answer but a whole 200 is an error and ends the run.
 *
 * Prints one record a line: `w` the wall time of all REQUESTS, `h` the set-up of a connection, `r` a request with its
 * time to the last byte and to the first byte of the body, `d` the delay of a stream's delta (see upstream.c); all in ns.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_ROOM = 1 << 20, NUMBER_DIGITS = 16, MAX_CONNECTIONS = 256 };

typedef struct {
    int fd;
    SSL *tls; /* NULL where the connection is plain */
    char *request, *answer;
    int64_t setup_ns;
    int64_t *delays;
    size_t delay_count, delay_room;
} Worker;

typedef struct {
    int64_t whole_ns, first_ns;
} Sample;

static int port, request_count, warm_up, digits_at = -1;
static const char *host;
static char *request_bytes;
static size_t request_length;
static SSL_CTX *context;
static Sample *samples;
static atomic_int next_request;
static atomic_llong number;
static pthread_barrier_t start_line;

static int64_t now_ns(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1000000000LL + at.tv_nsec;
}

static void die(const char *what, const char *detail) {
    fprintf(stderr, "load: %s: %.300s\n", what, detail);
    exit(1);
}

static void put(Worker *self, const char *bytes, size_t length) {
    while (length) {
        ssize_t sent = self->tls ? SSL_write(self->tls, bytes, (int)length) : send(self->fd, bytes, length, MSG_NOSIGNAL);
        if (sent <= 0) die("the connection broke", "while sending");
        bytes += sent;
        length -= (size_t)sent;
    }
}

static size_t take(Worker *self, char *into, size_t room) {
    ssize_t got = self->tls ? SSL_read(self->tls, into, (int)room) : recv(self->fd, into, room, 0);
    if (got <= 0) die("the connection broke", "while reading");
    return (size_t)got;
}

static void open_tunnel(Worker *self) {
    char text[512];
    int length = snprintf(text, sizeof text, "CONNECT %s:443 HTTP/1.1\r\nHost: %s:443\r\n\r\n", host, host);
    put(self, text, (size_t)length);
    for (length = 0; !length || !memmem(text, (size_t)length, "\r\n\r\n", 4);)
        length += (int)take(self, text + length, sizeof text - (size_t)length);
    if (memcmp(text + 9, "200", 3)) die("CONNECT was refused", text);
    SSL *tls = SSL_new(context);
    SSL_set_fd(tls, self->fd);
    SSL_set_tlsext_host_name(tls, host);
    SSL_set1_host(tls, host);
    if (SSL_connect(tls) != 1) die("TLS", ERR_reason_error_string(ERR_peek_last_error()));
    self->tls = tls;
}

static void connect_worker(Worker *self) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int64_t started = now_ns();
    int on = 1;
    self->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(self->fd, (struct sockaddr *)&address, sizeof address)) die("connect", "nobody listens");
    setsockopt(self->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (strcmp(host, "-")) open_tunnel(self);
    self->setup_ns = now_ns() - started;
}

static void note_delay(Worker *self, int64_t delay_ns) {
    if (self->delay_count == self->delay_room) {
        self->delay_room = self->delay_room ? self->delay_room * 2 : 1024;
        self->delays = realloc(self->delays, self->delay_room * sizeof *self->delays);
    }
    self->delays[self->delay_count++] = delay_ns;
}

/* Notes the deltas that have arrived completely after `from`; gives where to go on looking. */
static size_t read_deltas(Worker *self, size_t from, size_t length, int64_t at_ns) {
    for (;;) {
        char *mark = memmem(self->answer + from, length - from, "@t=", 3);
        char *end = mark ? memchr(mark, ';', length - (size_t)(mark - self->answer)) : NULL;
        if (!end) return mark ? (size_t)(mark - self->answer) : from;
        note_delay(self, at_ns - strtoll(mark + 3, NULL, 10));
        from = (size_t)(end - self->answer);
    }
}

/* The length of the whole answer once its head is here; 0 where only the closing chunk tells. */
static size_t expected_length(const char *answer, size_t head) {
    const char *key = strcasestr(answer, "content-length:");
    return key && key < answer + head ? head + strtoull(key + 15, NULL, 10) : 0;
}

static Sample exchange(Worker *self, int timed) {
    Sample sample = {0, 0};
    size_t length = 0, head = 0, expected = 0, read_to = 0;
    if (digits_at >= 0) {
        char digits[NUMBER_DIGITS + 1];
        snprintf(digits, sizeof digits, "%016llx", atomic_fetch_add(&number, 1) * 0x9E3779B97F4A7C15ULL);
        memcpy(self->request + digits_at, digits, NUMBER_DIGITS);
    }
    int64_t started = now_ns();
    put(self, self->request, request_length);
    for (;;) {
        if (length + 1 >= ANSWER_ROOM) die("answer too large", "");
        length += take(self, self->answer + length, ANSWER_ROOM - length - 1);
        int64_t at_ns = now_ns();
        self->answer[length] = 0;
        if (!head) {
            char *end = memmem(self->answer, length, "\r\n\r\n", 4);
            if (!end) continue;
            if (memcmp(self->answer + 9, "200", 3)) die("answer", self->answer);
            head = read_to = (size_t)(end - self->answer) + 4;
            expected = expected_length(self->answer, head);
        }
        if (!sample.first_ns && length > head) sample.first_ns = at_ns - started;
        if (timed && !expected) read_to = read_deltas(self, read_to, length, at_ns);
        if (expected ? length >= expected : length >= head + 7 && !memcmp(self->answer + length - 7, "\r\n0\r\n\r\n", 7)) {
            sample.whole_ns = at_ns - started;
            return sample;
        }
    }
}

static void *work(void *argument) {
    Worker *self = argument;
    connect_worker(self);
    for (int at = 0; at < warm_up; at++) exchange(self, 0);
    pthread_barrier_wait(&start_line);
    for (int at; (at = atomic_fetch_add(&next_request, 1)) < request_count;) samples[at] = exchange(self, 1);
    return NULL;
}

static void read_request(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) die("cannot open", path);
    fseek(file, 0, SEEK_END);
    request_length = (size_t)ftell(file);
    rewind(file);
    request_bytes = malloc(request_length + 1);
    if (fread(request_bytes, 1, request_length, file) != request_length) die("cannot read", path);
    fclose(file);
    char *mark = memmem(request_bytes, request_length, "@n=", 3);
    if (mark) digits_at = (int)(mark - request_bytes) + 3;
}

static void trust(const char *ca) {
    context = SSL_CTX_new(TLS_client_method());
    if (!SSL_CTX_load_verify_locations(context, ca, NULL)) die("cannot load CA", ca);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
}

int main(int argc, char **argv) {
    if (argc != 8) return fprintf(stderr, "load PORT HOST CA CONNECTIONS REQUESTS WARM_UP FILE\n"), 2;
    port = atoi(argv[1]);
    host = argv[2];
    if (strcmp(host, "-")) trust(argv[3]);
    int connection_count = atoi(argv[4]);
    if (connection_count < 1 || connection_count > MAX_CONNECTIONS) die("connections", argv[4]);
    request_count = atoi(argv[5]);
    warm_up = atoi(argv[6]);
    read_request(argv[7]);
    samples = calloc((size_t)request_count, sizeof *samples);
    number = now_ns(); /* other numbers in each run */
    pthread_barrier_init(&start_line, NULL, (unsigned)connection_count + 1);
    pthread_t threads[MAX_CONNECTIONS];
    Worker *workers = calloc((size_t)connection_count, sizeof *workers);
    for (int at = 0; at < connection_count; at++) {
        workers[at].request = malloc(request_length);
        memcpy(workers[at].request, request_bytes, request_length);
        workers[at].answer = malloc(ANSWER_ROOM);
        pthread_create(&threads[at], NULL, work, &workers[at]);
    }
    pthread_barrier_wait(&start_line);
    int64_t started = now_ns();
    for (int at = 0; at < connection_count; at++) pthread_join(threads[at], NULL);
    printf("w %lld\n", (long long)(now_ns() - started));
    for (int at = 0; at < connection_count; at++) {
        printf("h %lld\n", (long long)workers[at].setup_ns);
        for (size_t which = 0; which < workers[at].delay_count; which++) printf("d %lld\n", (long long)workers[at].delays[which]);
    }
    for (int at = 0; at < request_count; at++)
        printf("r %lld %lld\n", (long long)samples[at].whole_ns, (long long)samples[at].first_ns);
    return 0;
}
