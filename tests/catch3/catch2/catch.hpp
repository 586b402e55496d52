// The name that Catch2 2 gave to its one header, for Catch2 3: what our tests use of it has the same
// names in both.
#pragma once

#include <catch2/catch_all.hpp>
