#include "common/ipc/signer_messages.h"

#include "common/ipc/coding.h"

namespace postwain::ipc {

namespace {

// A list that is longer does not decode, nor do texts outside these bounds.
template <class A, class List>
void bounded_list(A& a, List& list, std::size_t least, std::size_t most) {
  list_field(a, list);
  if constexpr (A::kDecoding) {
    if (list.size() < least || list.size() > most) a.fail();
  }
}

template <class A, class T>
void bounded_text(A& a, T& text, std::size_t least, std::size_t most) {
  field(a, text);
  if constexpr (A::kDecoding) {
    if (text.size() < least || text.size() > most) a.fail();
  }
}

}  // namespace

PW_VISIT(SignerKey) {
  bounded_text(a, v.domain, 1, kSignerNameMax);
  bounded_text(a, v.selector, 1, kSignerNameMax);
  fields(a, v.algorithm, v.subdomains);
}
PW_VISIT(SignerKeys) {
  bounded_list(a, v.keys, 0, kSignerKeysMax);
}
PW_VISIT(SignRequest::Part) {
  field(a, v.key);
  bounded_text(a, v.hash, kSignerHash, kSignerHash);
}
PW_VISIT(SignRequest) {
  field(a, v.request);
  bounded_list(a, v.parts, 1, kSignaturesMax);
}
PW_VISIT(SignReply) {
  field(a, v.request);
  bounded_list(a, v.signatures, 0, kSignaturesMax);
  bounded_text(a, v.trouble, 0, kSignerTroubleMax);
  if constexpr (A::kDecoding) {
    for (const std::string& signature : v.signatures)
      if (signature.empty() || signature.size() > kSignatureMax) a.fail();
    if (v.signatures.empty() == v.trouble.empty()) a.fail();
  }
}

PW_MESSAGE(SignerKeys)
PW_MESSAGE(SignRequest)
PW_MESSAGE(SignReply)

}  // namespace postwain::ipc
