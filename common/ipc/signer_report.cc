#include "common/ipc/signer_report.h"

#include "common/ipc/coding.h"

namespace postwain::ipc {

PW_VISIT(SignerReport) {
  for (auto& number : v.made) field(a, number);
  fields(a, v.cached, v.failed, v.microseconds);
}

PW_MESSAGE(SignerReport)

std::string_view name_of(SigningAlgorithm algorithm) {
  return algorithm == SigningAlgorithm::rsa_sha256 ? "rsa-sha256" : "ed25519-sha256";
}

}  // namespace postwain::ipc
