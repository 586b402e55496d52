#include "common/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace postwain {

void check_failed(const char* condition, const char* file, int line) noexcept {
  std::fprintf(stderr, "bug: %s:%d: broken contract: %s\n", file, line, condition);
  std::abort();
}

}  // namespace postwain
