/* A PKCS#11 module in front of another that it names MODULE: it fails where a test wants it to.
 *
 * In the directory CONSIGN_TOKEN_TEST, `login` holds what C_Login is to return (decimal) and
 * `logins` gets a byte for each call; while `deaf` is there, C_Initialize fails; while `stays` is
 * there, C_Finalize fails and does nothing. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef unsigned long (*function)();

/* CK_FUNCTION_LIST: a version, then the functions in the standard's order. */
struct list {
    unsigned char version[2];
    function functions[68];
};
enum { INITIALIZE = 0, FINALIZE = 1, LOGIN = 18 };
enum { GENERAL_ERROR = 5, FUNCTION_FAILED = 6 };

static struct list ours;
static const struct list *theirs;

static FILE *file(const char *name, const char *mode) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", getenv("CONSIGN_TOKEN_TEST"), name);
    return fopen(path, mode);
}

static int is_there(const char *name) {
    FILE *found = file(name, "r");
    if (found) fclose(found);
    return found != NULL;
}

static unsigned long initialize(void *arguments) {
    return is_there("deaf") ? GENERAL_ERROR : theirs->functions[INITIALIZE](arguments);
}

static unsigned long finalize(void *reserved) {
    return is_there("stays") ? FUNCTION_FAILED : theirs->functions[FINALIZE](reserved);
}

static unsigned long login(unsigned long session, unsigned long user, void *pin, unsigned long size) {
    unsigned long answer = 0;
    FILE *calls = file("logins", "a"), *wanted = file("login", "r");
    if (calls) { fputc('x', calls); fclose(calls); }
    if (wanted) {
        int read = fscanf(wanted, "%lu", &answer);
        fclose(wanted);
        if (read == 1) return answer;
    }
    return theirs->functions[LOGIN](session, user, pin, size);
}

unsigned long C_GetFunctionList(const struct list **list) {
    void *library = dlopen(MODULE, RTLD_NOW);
    function of = library ? (function)dlsym(library, "C_GetFunctionList") : NULL;
    if (!of || of(&theirs)) return GENERAL_ERROR;
    ours = *theirs;
    ours.functions[INITIALIZE] = (function)initialize;
    ours.functions[FINALIZE] = (function)finalize;
    ours.functions[LOGIN] = (function)login;
    *list = &ours;
    return 0;
}
