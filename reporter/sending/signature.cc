#include "reporter/sending/signature.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "common/authentication/dkim/sign.h"

namespace postwain::reporter {

namespace dkim = authentication::dkim;

Result<std::string> dkim_signature(const Signer& signer, const std::string& content, WallTime now) {
  std::string_view all = content;
  std::size_t end = std::min(all.find("\r\n\r\n"), all.size());
  dkim::SignRules rules;
  rules.fields.others = {"*"};
  dkim::KeyFacts key{signer.domain, signer.selector};
  if (auto algorithm = dkim::algorithm_of(signer.key.algorithm())) key.algorithm = *algorithm;
  auto sign = dkim::DkimSign::begin(all.substr(0, end), {key}, now, rules);
  if (!sign) return sign.error();
  sign->body(all.substr(std::min(end + 4, all.size())));
  dkim::SignatureDraft draft = sign->end_body().front();
  auto signature = signer.key.sign_digest(draft.hash);
  if (!signature) return signature.error();
  return dkim::finished_field(draft, *signature);
}

}  // namespace postwain::reporter
