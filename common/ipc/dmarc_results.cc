#include "common/ipc/dmarc_results.h"

#include "common/ipc/coding.h"

namespace postwain {

namespace ipc {

namespace {

template <class A, class T>
void dmarc_text(A& a, T& text, std::size_t most) {
  field(a, text);
  if constexpr (A::kDecoding) {
    if (text.size() > most) a.fail();
  }
}

}  // namespace

}  // namespace ipc

namespace mail {

template <class A, class T>
requires std::is_same_v<std::remove_const_t<T>, PublishedDmarc>
void visit(A& a, T& v) {
  ipc::dmarc_text(a, v.domain, kDmarcTextMax);
  ipc::field(a, v.policy);
  ipc::optional_field(a, v.subdomains);
  ipc::optional_field(a, v.nonexistent);
  ipc::fields(a, v.dkim_strict, v.spf_strict, v.testing);
  ipc::dmarc_text(a, v.failures, kDmarcTextMax);
}

template <class A, class T>
requires std::is_same_v<std::remove_const_t<T>, ReportedSignature>
void visit(A& a, T& v) {
  ipc::dmarc_text(a, v.domain, kDmarcTextMax);
  ipc::dmarc_text(a, v.selector, kDmarcTextMax);
  ipc::dmarc_text(a, v.result, kDmarcTextMax);
  ipc::dmarc_text(a, v.comment, kDmarcCommentMax);
}

template <class A, class T>
requires std::is_same_v<std::remove_const_t<T>, DmarcRow>
void visit(A& a, T& v) {
  ipc::dmarc_text(a, v.source, kDmarcTextMax);
  ipc::fields(a, v.done, v.dkim_aligned, v.spf_aligned, v.excuse);
  ipc::dmarc_text(a, v.excuse_comment, kDmarcCommentMax);
  ipc::dmarc_text(a, v.header_from, kDmarcTextMax);
  ipc::dmarc_text(a, v.envelope_from, kDmarcTextMax);
  ipc::list_field(a, v.signatures);
  if constexpr (A::kDecoding) {
    if (v.signatures.size() > kReportedSignaturesMax) a.fail();
  }
  ipc::dmarc_text(a, v.spf_domain, kDmarcTextMax);
  ipc::dmarc_text(a, v.spf_result, kDmarcTextMax);
}

template <class A, class T>
requires std::is_same_v<std::remove_const_t<T>, CountedDmarcResult>
void visit(A& a, T& v) {
  ipc::fields(a, v.result.published, v.result.row, v.count);
}

}  // namespace mail

namespace ipc {

PW_VISIT(DmarcResults) {
  list_field(a, v.results);
}

PW_MESSAGE(DmarcResults)

}  // namespace ipc
}  // namespace postwain
