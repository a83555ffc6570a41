// SPDX-License-Identifier: GPL-2.0-only
/*
 * cxx_test.cc - do new and delete of C++ come through our malloc, and right?
 *
 * Every block is looked for with brkmalloc_walk(). Prints TAP.
 */
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "brkmalloc.h"

static int number;
static bool failed;

static void so(bool condition, const char *what, int line)
{
	if (condition)
		return;
	printf("# cxx_test.cc:%d: not so: %s\n", line, what);
	failed = true;
}

#define SO(condition) so(condition, #condition, __LINE__)

/* Against compilers that know that nobody sees a new without a use. */
template <class T> static T *hide(T *p)
{
	asm volatile ("" : "+r"(p));
	return p;
}

static size_t opaque(size_t n)
{
	asm volatile ("" : "+r"(n));
	return n;
}

static int match(const brkmalloc_block *block, void *arg)
{
	auto *wanted = static_cast<brkmalloc_block *>(arg);

	if (block->data != wanted->data)
		return 0;
	*wanted = *block;
	return 1;
}

static bool is_used(const void *data)
{
	brkmalloc_block block = {};

	block.data = const_cast<void *>(data);
	return brkmalloc_walk(match, &block) && block.state == BRKMALLOC_USED;
}

/* An object that allocates before main and gives back after it. */
struct global {
	std::vector<std::string> texts;

	global()
	{
		for (int i = 0; i < 100; i++)
			texts.emplace_back(i * 10, 'a' + i % 26);
	}

	bool is_kept() const
	{
		for (int i = 0; i < 100; i++)
			if (texts[i] != std::string(i * 10, 'a' + i % 26))
				return false;
		return true;
	}

	~global()
	{
		if (is_kept() && !brkmalloc_check())
			return;
		puts("not ok: a global object was damaged at exit");
		fflush(stdout);
		_exit(1);
	}
};

static global global_object;

static void objects_built_before_main_are_kept()
{
	SO(global_object.is_kept());
	SO(is_used(global_object.texts.data()));
}

static void new_takes_and_delete_gives_back()
{
	for (int bytes = 1; bytes < 2000; bytes += 13) {
		char *one = hide(static_cast<char *>(::operator new(bytes)));
		char *many = hide(new char[bytes]);

		memset(one, 1, bytes);
		memset(many, 2, bytes);
		SO(is_used(one) && is_used(many));
		::operator delete(hide(one));
		delete[] hide(many);
		SO(!is_used(one) && !is_used(many));
	}
	SO(hide(new char[0]) != hide(new char[0]));
}

static void sized_delete_gives_back()
{
	void *a = hide(::operator new(opaque(100)));
	void *b = hide(::operator new[](opaque(3000)));

	SO(is_used(a) && is_used(b));
	::operator delete(hide(a), opaque(100));
	::operator delete[](hide(b), opaque(3000));
	SO(!is_used(a) && !is_used(b));
}

template <size_t align> struct alignas(align) aligned {
	char bytes[align * 2];
};

template <size_t align> static void check_aligned()
{
	using type = aligned<align>;
	std::vector<std::unique_ptr<type>> objects;

	for (int i = 0; i < 50; i++) {
		objects.emplace_back(new type);
		SO(reinterpret_cast<uintptr_t>(objects.back().get()) % align == 0);
		SO(is_used(objects.back().get()));
		memset(objects.back()->bytes, i, sizeof(type));
	}
	for (int i = 0; i < 50; i++)
		for (char byte : objects[i]->bytes)
			if (byte != i)
				return SO(!"content kept");
	auto *array = hide(new type[7]);

	SO(reinterpret_cast<uintptr_t>(array) % align == 0);
	delete[] array;
	::operator delete(::operator new(3, std::align_val_t(align)), 3, std::align_val_t(align));
	SO(!::operator new(opaque(SIZE_MAX / 2), std::align_val_t(align), std::nothrow));
}

static void aligned_new_lies_where_it_must()
{
	check_aligned<32>();
	check_aligned<64>();
	check_aligned<256>();
	check_aligned<4096>();
	check_aligned<16384>();
}

static bool throws(size_t bytes)
{
	try {
		delete[] hide(new char[bytes]);
	} catch (const std::bad_alloc &e) {
		return true;
	}
	return false;
}

static void new_throws_when_there_can_be_no_memory()
{
	SO(throws(opaque(PTRDIFF_MAX)));
	SO(throws(opaque(1UL << 47)));
	SO(!throws(opaque(100)));
	SO(!new (std::nothrow) char[opaque(PTRDIFF_MAX)]);
	try {
		hide(new long[opaque(SIZE_MAX / 4)]);
		SO(!"thrown");
	} catch (const std::bad_array_new_length &e) {
	}
}

static char *reserve;
static int handler_calls;

static void give_reserve()
{
	handler_calls++;
	free(reserve);
	reserve = nullptr;
	if (handler_calls > 1)
		throw std::bad_alloc();
}

/* Under a limit: thrown, caught, everything destroyed, and on it goes. */
static void new_throws_under_a_limit_and_the_program_goes_on()
{
	rlimit no_limit, limit;
	std::vector<std::unique_ptr<char[]>> blocks;
	size_t first = 0;

	blocks.reserve(100000);
	reserve = static_cast<char *>(malloc(600000));
	std::set_new_handler(give_reserve);
	getrlimit(RLIMIT_DATA, &no_limit);
	limit = no_limit;
	limit.rlim_cur = 20 << 20;
	SO(!setrlimit(RLIMIT_DATA, &limit));
	for (int round = 0; round < 3; round++) {
		handler_calls = 0;
		try {
			while (blocks.size() < blocks.capacity())
				blocks.emplace_back(new char[1000]);
			SO(!"thrown");
		} catch (const std::bad_alloc &e) {
			SO(handler_calls > 1);
		}
		SO(blocks.size() > 5000);
		/* As much as the first time; that had a part of the reserve. */
		SO(!round || blocks.size() > first * 9 / 10);
		first = blocks.size();
		blocks.clear();
		reserve = static_cast<char *>(malloc(600000));
		SO(!brkmalloc_check());
	}
	std::set_new_handler(nullptr);
	setrlimit(RLIMIT_DATA, &no_limit);
	free(reserve);
}

/* Destroyed when its thread ends: takes and gives back what it never had. */
struct per_thread {
	std::vector<std::string> texts;
	std::shared_ptr<std::string> shared;

	~per_thread()
	{
		for (int i = 0; i < 50; i++)
			texts.push_back(std::string(i * 30, 'z'));
		if (texts.back().size() != 49 * 30)
			abort();
	}
};

static thread_local per_thread local;

static void thread_local_objects_may_allocate_when_destroyed()
{
	auto shared = std::make_shared<std::string>(500, 's');

	for (int round = 0; round < 30; round++) {
		std::vector<std::thread> threads;

		for (int i = 0; i < 8; i++)
			threads.emplace_back([&shared, i] {
				local.shared = shared;
				local.texts.assign(100, std::string(i * 50, 'x'));
			});
		for (auto &thread : threads)
			thread.join();
		SO(!brkmalloc_check());
	}
	SO(shared.use_count() == 1 && *shared == std::string(500, 's'));
}

static long throw_deep(int depth, std::string text)
{
	if (!depth)
		throw std::runtime_error(text);
	return throw_deep(depth - 1, text + "x") + 1;
}

static void exceptions_fly_in_many_threads()
{
	std::vector<std::thread> threads;
	int caught[4] = {};

	for (int i = 0; i < 4; i++)
		threads.emplace_back([&caught, i] {
			for (int round = 0; round < 300; round++)
				try {
					throw_deep(50, "at ");
				} catch (const std::runtime_error &e) {
					caught[i] += strlen(e.what()) == 53;
				}
		});
	for (auto &thread : threads)
		thread.join();
	for (int n : caught)
		SO(n == 300);
	SO(!brkmalloc_check());
}

static void run(const char *name, void (*test)())
{
	failed = false;
	test();
	printf("%sok %d %s\n", failed ? "not " : "", ++number, name);
	fflush(stdout);
	if (failed)
		std::exit(1);
}

#define RUN(test) run(#test, test)

int main()
{
	puts("TAP version 13\n1..8");
	RUN(objects_built_before_main_are_kept);
	RUN(new_takes_and_delete_gives_back);
	RUN(sized_delete_gives_back);
	RUN(aligned_new_lies_where_it_must);
	RUN(new_throws_when_there_can_be_no_memory);
	RUN(new_throws_under_a_limit_and_the_program_goes_on);
	RUN(thread_local_objects_may_allocate_when_destroyed);
	RUN(exceptions_fly_in_many_threads);
	return 0;
}
