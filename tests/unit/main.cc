// The main function of every unit test program: Catch2 3 brings it as a library, Catch2 2 as a
// macro.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
