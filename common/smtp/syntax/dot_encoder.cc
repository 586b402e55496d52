#include "common/smtp/syntax/dot_encoder.h"

#include <cstring>

namespace postwain::smtp {

void DotEncoder::encode(std::string_view chunk, std::string& out) {
  if (chunk.empty()) return;
  const char* p = chunk.data();
  const char* end = p + chunk.size();
  if (at_ == At::after_cr) {  // the CR has not been written yet
    out += "\r\n";
    if (*p == '\n') ++p;
    at_ = At::line_start;
  }
  const char* run = p;  // not written yet; everything before it is
  while (p < end) {
    if (at_ == At::line_start && *p == '.') {
      out.append(run, p);
      out += '.';
      run = p;
    }
    at_ = At::inside;
    auto left = static_cast<std::size_t>(end - p);
    const char* lf = static_cast<const char*>(std::memchr(p, '\n', left));
    std::size_t line = lf == nullptr ? left : static_cast<std::size_t>(lf - p);
    const char* cr = static_cast<const char*>(std::memchr(p, '\r', line));
    if (cr != nullptr && cr + 1 == lf) {  // the ordinary line end
      p = lf + 1;
    } else if (cr != nullptr && cr + 1 == end) {
      out.append(run, cr);
      at_ = At::after_cr;
      return;
    } else if (cr != nullptr || lf != nullptr) {  // a lone CR or LF
      const char* lone = cr != nullptr ? cr : lf;
      out.append(run, lone);
      out += "\r\n";
      p = run = lone + 1;
    } else {
      p = end;
      break;
    }
    at_ = At::line_start;
  }
  out.append(run, end);
}

void DotEncoder::finish(std::string& out) {
  if (at_ != At::line_start) out += "\r\n";
  out += ".\r\n";
  at_ = At::line_start;
}

}  // namespace postwain::smtp
