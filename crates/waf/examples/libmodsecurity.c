/*
 * The transactions of speed.rs through libmodsecurity, for comparing on the same machine:
 *
 *   cc -O2 -o libmodsecurity libmodsecurity.c -lmodsecurity
 *   ./libmodsecurity RULES-DIRECTORY FORM-FILE [SECONDS]
 *
 * FORM-FILE holds the form that `speed RULES-DIRECTORY 1 --print` prints in its last line.
 */
#include <modsecurity/modsecurity.h>
#include <modsecurity/rules_set.h>
#include <modsecurity/transaction.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *ENGINE =
    "SecRuleEngine On\nSecRequestBodyAccess On\nSecRequestBodyLimit 13107200\n"
    "SecRequestBodyNoFilesLimit 1310720\nSecResponseBodyAccess Off\nSecAuditEngine Off\n";

static const char *HEADERS[][2] = {
    {"Host", "shop.example.com"},
    {"User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"},
    {"Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"},
    {"Accept-Language", "en-GB,en;q=0.5"},
    {"Accept-Encoding", "gzip, deflate, br"},
    {"Referer", "https://shop.example.com/catalog/"},
    {"Cookie", "sid=4f6c8e21a07b4d5e9c3a1b2d; theme=dark; cart=3"},
    {"Connection", "keep-alive"},
};

static void quiet(void *data, const void *message) { (void)data; (void)message; }

static double now(void)
{
        struct timespec t;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        return t.tv_sec + t.tv_nsec / 1e9;
}

static void run(ModSecurity *engine, RulesSet *rules, const char *method, const char *uri, const char *body)
{
        Transaction *t = msc_new_transaction(engine, rules, NULL);
        ModSecurityIntervention stop = {200, 0, NULL, NULL, 0};
        msc_process_connection(t, "192.0.2.7", 51234, "192.0.2.7", 443);
        msc_process_uri(t, uri, method, "1.1");
        for (size_t i = 0; i < sizeof HEADERS / sizeof *HEADERS; i++)
                msc_add_request_header(t, (const unsigned char *)HEADERS[i][0], (const unsigned char *)HEADERS[i][1]);
        if (body) {
                char length[32];
                snprintf(length, sizeof length, "%zu", strlen(body));
                msc_add_request_header(t, (const unsigned char *)"Content-Type",
                                       (const unsigned char *)"application/x-www-form-urlencoded");
                msc_add_request_header(t, (const unsigned char *)"Content-Length", (const unsigned char *)length);
        }
        msc_process_request_headers(t);
        if (body)
                msc_append_request_body(t, (const unsigned char *)body, strlen(body));
        msc_process_request_body(t);
        msc_add_response_header(t, (const unsigned char *)"Content-Type", (const unsigned char *)"text/html");
        msc_process_response_headers(t, 200, "HTTP/1.1");
        msc_process_response_body(t);
        msc_process_logging(t);
        if (msc_intervention(t, &stop) && stop.status != 200) {
                fprintf(stderr, "refused with %d\n", stop.status);
                exit(1);
        }
        msc_transaction_cleanup(t);
}

static void measure(const char *name, ModSecurity *engine, RulesSet *rules, const char *method, const char *uri,
                    const char *body, double seconds)
{
        long count = 0;
        double total = 0, best = 1e9;
        for (int i = 0; i < 20; i++)
                run(engine, rules, method, uri, body);
        while (total < seconds) {
                double begin = now();
                for (int i = 0; i < 10; i++, count++)
                        run(engine, rules, method, uri, body);
                double took = now() - begin;
                total += took;
                if (took / 10 < best)
                        best = took / 10;
        }
        printf("%s: mean %.1f us, best %.1f us\n", name, total * 1e6 / count, best * 1e6);
}

int main(int argc, char **argv)
{
        static char form[65536];
        const char *error = NULL;
        char path[4096];
        glob_t found;
        if (argc < 3)
                return 2;
        double seconds = argc > 3 ? atof(argv[3]) : 3;
        FILE *file = fopen(argv[2], "r");
        if (!file || !fgets(form, sizeof form, file))
                return 2;
        form[strcspn(form, "\n")] = 0;
        ModSecurity *engine = msc_init();
        msc_set_log_cb(engine, quiet);
        RulesSet *rules = msc_create_rules_set();
        if (msc_rules_add(rules, ENGINE, &error) < 0)
                return fprintf(stderr, "%s\n", error), 1;
        snprintf(path, sizeof path, "%s/crs-setup.conf.example", argv[1]);
        if (msc_rules_add_file(rules, path, &error) < 0)
                return fprintf(stderr, "%s\n", error), 1;
        snprintf(path, sizeof path, "%s/*.conf", argv[1]);
        glob(path, 0, NULL, &found);
        for (size_t i = 0; i < found.gl_pathc; i++)
                if (msc_rules_add_file(rules, found.gl_pathv[i], &error) < 0)
                        return fprintf(stderr, "%s\n", error), 1;
        measure("GET", engine, rules, "GET",
                "/catalog/search?q=garden+furniture&category=outdoor&page=2&sort=price_asc&max=250", NULL, seconds);
        measure("POST 1.7 KB", engine, rules, "POST", "/account/profile", form, seconds);
        return 0;
}
