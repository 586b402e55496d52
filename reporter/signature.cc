#include "reporter/signature.h"

#include <algorithm>
#include <vector>

#include "common/base/text.h"
#include "common/content/dkim_form.h"

namespace postwain::reporter {

namespace {

constexpr std::size_t kSignatureLine = 72;

std::vector<std::string_view> header_fields(std::string_view header) {
  std::vector<std::string_view> out;
  std::size_t begin = 0;
  for (std::size_t at = 0; begin < header.size();) {
    std::size_t end = std::min(header.find("\r\n", at), header.size());
    at = end + 2;
    bool folded = at < header.size() && (header[at] == ' ' || header[at] == '\t');
    if (folded) continue;
    out.push_back(header.substr(begin, end - begin));
    begin = at;
  }
  return out;
}

}  // namespace

Result<std::string> dkim_signature(const Signer& signer, const std::string& content, WallTime now) {
  std::string_view all = content;
  std::size_t end = std::min(all.find("\r\n\r\n"), all.size());
  std::string_view body = all.substr(std::min(end + 4, all.size()));
  mail::DkimFacts facts;
  facts.domain = signer.domain;
  facts.selector = signer.selector;
  facts.algorithm = signer.key.algorithm();
  facts.body_hash = base64_encode(tls::sha256(mail::relaxed_body(body)));
  facts.time = now;
  facts.fields = header_fields(all.substr(0, end));
  auto signature = signer.key.sign(mail::dkim_signed_text(facts));
  if (!signature) return signature.error();
  std::string text = base64_encode(*signature);
  std::string out = mail::dkim_field(facts);
  for (std::size_t at = 0; at < text.size(); at += kSignatureLine)
    out += (at > 0 ? "\r\n " : "") + text.substr(at, kSignatureLine);
  return out + "\r\n";
}

}  // namespace postwain::reporter
