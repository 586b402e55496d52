// PW_CHECK: contracts inside the program. Always compiled in; a failure is a bug of ours and aborts
// the process, which the supervisor then restarts. Input from outside must never be able to reach
// one.
#pragma once

namespace postwain {

[[noreturn]] void check_failed(const char* condition, const char* file, int line) noexcept;

}  // namespace postwain

#define PW_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::postwain::check_failed(#condition, __FILE__, __LINE__))
