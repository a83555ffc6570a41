# SPDX-License-Identifier: GPL-2.0-only
# A source for a compiler: awk -v n=FUNCTIONS -v language=c|c++ -f source.awk
BEGIN {
	if (language == "c++") {
		print "template <class T> struct box { T value; box *next;"
		print "\tbox(T v, box *n) : value(v), next(n) { }"
		print "\tT sum() const { return next ? value + next->sum() : value; } };"
		print "template <int N> struct chain { static int of(int x) { return x % N + chain<N - 1>::of(x); } };"
		print "template <> struct chain<0> { static int of(int) { return 0; } };"
	}
	for (i = 0; i < n; i++) {
		printf "struct s%d { int a, b; long c[%d]; };\n", i, i % 9 + 1
		printf "long f%d(struct s%d *p, int n)\n{\n\tlong sum = %d;\n", i, i, i
		printf "\tfor (int i = 0; i < n; i++) {\n\t\tswitch (i %% 5) {\n"
		printf "\t\tcase 0: sum += p[i].a * %d; break;\n", i + 3
		printf "\t\tcase 1: sum ^= p[i].b << %d; break;\n", i % 20
		printf "\t\tdefault: sum -= p[i].c[i %% %d]; break;\n", i % 9 + 1
		printf "\t\t}\n\t}\n"
		if (language == "c++") {
			printf "\tbox<long> one(sum, nullptr), two(%d, &one);\n", i
			printf "\tsum = two.sum() + chain<%d>::of(n);\n", i % 12 + 1
		}
		printf "\treturn sum;\n}\n"
	}
}
