#include "common/agent/signing/line_look.h"

#include "common/base/text.h"

namespace postwain::agent {

void LineLook::take(std::string_view body) {
  if (!eight_bit_) eight_bit_ = !is_ascii(body);
  while (!long_line_ && !body.empty()) {
    std::size_t lf = body.find('\n');
    std::size_t end = lf == std::string_view::npos ? body.size() : lf;
    line_ += end;
    // The CR of its end counts here, too; whether it is one may not be known yet.
    long_line_ = line_ > kLineMax + 1;
    if (lf == std::string_view::npos) return;
    line_ = 0;
    body.remove_prefix(lf + 1);
  }
}

}  // namespace postwain::agent
