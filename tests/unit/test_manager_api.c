/* SPDX-License-Identifier: BSD-2-Clause */
/* What servers that load models themselves are asked, and how their answers are taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above. */
#include <cmocka.h>

#include <errno.h>

#include "base/units.h"
#include "manager/api.h"
#include "mutate.h"

/* As the servers write them, with more members than are read. */
#define LLAMA_MODELS                                                                               \
	"{\"data\":[{\"id\":\"s\",\"object\":\"model\",\"owned_by\":\"llamacpp\",\"created\":1,"   \
	"\"in_cache\":true,\"path\":\"/m/s.gguf\",\"status\":{\"value\":\"loaded\",\"args\":[]}}," \
	"{\"id\":\"m/x\",\"status\":{\"value\":\"loading\",\"args\":[\"-c\",\"1024\"]}},"          \
	"{\"id\":\"l\",\"status\":{\"value\":\"unloaded\",\"failed\":true,\"exit_code\":1}},"      \
	"{\"id\":\"z\",\"status\":{\"value\":\"sleeping\"}}],\"object\":\"list\"}"
#define LLAMA_SLOTS                                                                             \
	"[{\"id\":0,\"n_ctx\":1024,\"is_processing\":true},{\"id\":1,\"is_processing\":false}," \
	"{\"id\":2,\"is_processing\":true,\"next_token\":[{\"n_decoded\":3}]}]"
#define SWAP_RUNNING                                                                           \
	"{\"running\":[{\"model\":\"s\",\"state\":\"ready\",\"cmd\":\"x\",\"ttl\":0},"         \
	"{\"model\":\"m/x\",\"state\":\"starting\"},{\"model\":\"l\",\"state\":\"stopping\"}," \
	"{\"model\":\"z\",\"state\":\"stopped\"}]}"
#define SWAP_EVENTS                                                                               \
	"event:message\ndata:{\"type\":\"logData\",\"data\":\"{\\\"data\\\":\\\"inflight\\\"}\"}" \
	"\n\nevent:message\ndata:{\"type\":\"inflight\",\"data\":\"{\\\"operation\\\":"           \
	"\\\"snapshot\\\",\\\"requests\\\":[{\\\"id\\\":\\\"1\\\",\\\"model\\\":\\\"s\\\"},"      \
	"{\\\"model\\\":\\\"l\\\"},{\\\"model\\\":\\\"s\\\"}]}\"}\n\n"
#define OLLAMA_PS                                                                             \
	"{\"models\":[{\"name\":\"s:latest\",\"model\":\"s:latest\",\"size\":6654289920,"     \
	"\"digest\":\"ab\",\"details\":{\"format\":\"gguf\"},\"expires_at\":\"2318-01-01\"}," \
	"{\"name\":\"m/x:8b\",\"model\":\"m/x:8b\",\"size_vram\":1}]}"

/* ---- lists -------------------------------------------------------------------------------------
 */

static int find(const struct api_kind *kind, const char *text, const char *model,
		struct api_model *ret_model)
{
	json_t *list = json_loads(text, 0, NULL);
	int r = kind->find_model(list, model, ret_model);

	json_decref(list);
	return r;
}

static void models_are_found_in_lists(void **state)
{
	(void)state;
	static const struct {
		const struct api_kind *kind;
		const char *list;
		const char *model;
		struct api_model wanted; /* present, ready, failed */
	} CASES[] = {
		{&API_LLAMA_SERVER, LLAMA_MODELS, "s", {true, true, false}},
		{&API_LLAMA_SERVER, LLAMA_MODELS, "m/x", {true, false, false}},
		{&API_LLAMA_SERVER, LLAMA_MODELS, "l", {false, false, true}},
		{&API_LLAMA_SERVER, LLAMA_MODELS, "z", {true, true, false}},
		{&API_LLAMA_SERVER, LLAMA_MODELS, "nowhere", {false, false, false}},
		{&API_LLAMA_SERVER, "{\"data\":[]}", "s", {false, false, false}},
		{&API_LLAMA_SWAP, SWAP_RUNNING, "s", {true, true, false}},
		{&API_LLAMA_SWAP, SWAP_RUNNING, "m/x", {true, false, false}},
		{&API_LLAMA_SWAP, SWAP_RUNNING, "l", {true, false, false}},
		{&API_LLAMA_SWAP, SWAP_RUNNING, "z", {false, false, false}},
		{&API_OLLAMA, OLLAMA_PS, "s", {true, true, false}},
		{&API_OLLAMA, OLLAMA_PS, "s:latest", {true, true, false}},
		{&API_OLLAMA, OLLAMA_PS, "m/x:8b", {true, true, false}},
		{&API_OLLAMA, OLLAMA_PS, "m/x", {false, false, false}}, /* another tag */
		{&API_OLLAMA, OLLAMA_PS, "", {false, false, false}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		struct api_model model = {0};

		assert_int_equal(find(CASES[i].kind, CASES[i].list, CASES[i].model, &model), 0);
		if (memcmp(&model, &CASES[i].wanted, sizeof(model)) != 0)
			fail_msg("case %zu: present %d, ready %d, failed %d", i, model.is_present,
				 model.is_ready, model.is_failed);
	}
}

static void what_is_no_list_is_refused(void **state)
{
	(void)state;
	static const char *const TEXTS[] = {
		"null",
		"[]",
		"{}",
		"7",
		"not JSON",
		"{\"data\":{},\"running\":1,\"models\":\"s\"}",
		"{\"error\":{\"message\":\"loading\"}}",
	};
	static const struct api_kind *const KINDS[] = {&API_LLAMA_SERVER, &API_LLAMA_SWAP,
						       &API_OLLAMA};
	struct api_model model = {0};

	for (size_t i = 0; i < ARRAY_SIZE(TEXTS); i++) {
		for (size_t kind = 0; kind < ARRAY_SIZE(KINDS); kind++)
			assert_int_equal(find(KINDS[kind], TEXTS[i], "s", &model), -EBADMSG);
	}
}

static void members_of_other_types_are_survived(void **state)
{
	(void)state;
	static const char *const ENTRIES[] = {
		"null",
		"1",
		"[]",
		"{}",
		"\"s\"",
		"{\"id\":\"s\",\"model\":\"s\",\"name\":[]}",
		"{\"id\":\"s\",\"status\":[],\"model\":7,\"state\":{}}",
		"{\"id\":\"s\",\"status\":{\"value\":7,\"failed\":\"yes\"},\"name\":false}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(ENTRIES); i++) {
		struct api_model model = {0};
		char text[256];

		snprintf(text, sizeof(text), "{\"data\":[%s],\"running\":[%s],\"models\":[%s]}",
			 ENTRIES[i], ENTRIES[i], ENTRIES[i]);
		assert_int_equal(find(&API_LLAMA_SERVER, text, "s", &model), 0);
		assert_int_equal(find(&API_LLAMA_SWAP, text, "s", &model), 0);
		assert_false(model.is_present || model.is_ready || model.is_failed);
		assert_int_equal(find(&API_OLLAMA, text, "s", &model), 0);
	}
}

/* ---- in flight ---------------------------------------------------------------------------------
 */

static void what_runs_is_counted(void **state)
{
	(void)state;
	static const struct {
		const struct api_kind *kind;
		const char *body;
		uint32_t wanted;
	} CASES[] = {
		{&API_LLAMA_SERVER, LLAMA_SLOTS, 2},
		{&API_LLAMA_SERVER, "[]", 0},
		{&API_LLAMA_SERVER, "[1,null,{\"is_processing\":1}]", 0},
		{&API_LLAMA_SERVER, "{\"error\":{\"code\":501}}", IN_FLIGHT_UNKNOWN},
		{&API_LLAMA_SERVER, "", IN_FLIGHT_UNKNOWN},
		{&API_LLAMA_SWAP, SWAP_EVENTS, 2},
		/* cut off in the middle of the line */
		{&API_LLAMA_SWAP, "data:{\"type\":\"inflight\",\"da", IN_FLIGHT_UNKNOWN},
		{&API_LLAMA_SWAP, "data:\ndata:[]\n\n", IN_FLIGHT_UNKNOWN},
		{&API_LLAMA_SWAP, "data:{\"type\":\"inflight\",\"data\":\"{}\"}",
		 IN_FLIGHT_UNKNOWN},
		{&API_LLAMA_SWAP, "data:{\"type\":\"inflight\",\"data\":\"{\\\"requests\\\":[]}\"}",
		 0},
		{&API_LLAMA_SWAP, "", IN_FLIGHT_UNKNOWN},
	};

	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		uint32_t count = CASES[i].kind->count_in_flight(CASES[i].body, "s");

		if (count != CASES[i].wanted)
			fail_msg("case %zu: %u", i, count);
	}
	assert_int_equal(API_LLAMA_SWAP.count_in_flight(SWAP_EVENTS, "m/x"), 0);
	assert_null(API_OLLAMA.count_in_flight);
}

/* ---- anything ----------------------------------------------------------------------------------
 */

static void damaged_answers_are_survived(void **state)
{
	(void)state;
	static const struct {
		const struct api_kind *kind;
		const char *text;
	} SEEDS[] = {
		{&API_LLAMA_SERVER, LLAMA_MODELS}, {&API_LLAMA_SERVER, LLAMA_SLOTS},
		{&API_LLAMA_SWAP, SWAP_RUNNING},   {&API_LLAMA_SWAP, SWAP_EVENTS},
		{&API_OLLAMA, OLLAMA_PS},
	};
	size_t refused = 0;
	size_t taken = 0;

	srand(1);
	for (size_t i = 0; i < ARRAY_SIZE(SEEDS); i++) {
		for (int round = 0; round < MUTATE_ROUNDS; round++) {
			struct api_model model = {0};
			char text[MUTATE_LEN];

			mutate_text(SEEDS[i].text, text);
			if (find(SEEDS[i].kind, text, "s", &model) < 0)
				refused++;
			else
				taken++;
			if (SEEDS[i].kind->count_in_flight)
				SEEDS[i].kind->count_in_flight(text, "s");
		}
	}
	/* Both ends of the parsers have been seen. */
	assert_true(refused > 100 && taken > 100);
}

/* ---- requests ----------------------------------------------------------------------------------
 */

static void requests_carry_the_name_whatever_is_in_it(void **state)
{
	(void)state;
	struct api_request request = {0};

	API_LLAMA_SERVER.format_load("a \"b\"\n", "a%20", &request);
	assert_string_equal(request.path, "/models/load");
	assert_string_equal(request.body, "{\"model\":\"a \\\"b\\\"\\n\"}");
	API_LLAMA_SERVER.format_in_flight("a%20", &request);
	assert_string_equal(request.path, "/slots?autoload=false&model=a%20");
	API_LLAMA_SWAP.format_unload("a b", "a%20b", &request);
	assert_string_equal(request.path, "/api/models/unload/a%20b");
	assert_string_equal(request.method, "POST");
	memset(&request, 0, sizeof(request));
	API_OLLAMA.format_unload("s", "s", &request);
	assert_string_equal(request.body, "{\"model\":\"s\",\"keep_alive\":0}");
	API_OLLAMA.format_load("s", "s", &request);
	assert_string_equal(request.body, "{\"model\":\"s\",\"keep_alive\":-1}");
	/* No JSON can hold that: it is not sent by halves. */
	API_LLAMA_SERVER.format_load("\xff", "%ff", &request);
	assert_string_equal(request.body, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(models_are_found_in_lists),
		cmocka_unit_test(what_is_no_list_is_refused),
		cmocka_unit_test(members_of_other_types_are_survived),
		cmocka_unit_test(what_runs_is_counted),
		cmocka_unit_test(damaged_answers_are_survived),
		cmocka_unit_test(requests_carry_the_name_whatever_is_in_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
