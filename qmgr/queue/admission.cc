#include "qmgr/queue/admission.h"

#include <fmt/format.h>

namespace postwain::qmgr {

namespace {

ipc::Admission refuse(int code, mail::EnhancedCode enhanced, const char* text) {
  return {false, {code, enhanced, text}};
}

}  // namespace

ipc::Admission decide_admission(const AdmissionFacts& facts) {
  if (facts.stopping) return refuse(451, {4, 3, 0}, "Mail system is stopping, try again later");
  if (facts.store == StoreTrouble::full)
    return refuse(452, {4, 3, 1}, "Mail system full, try again later");
  if (facts.store == StoreTrouble::away)
    return refuse(451, {4, 3, 0}, "Mail queue unavailable, try again later");
  if (!facts.cluster.empty())
    return refuse(451, {4, 3, 0}, "Mail queue unavailable here, try again later");
  if (facts.disk.known &&
      facts.disk.free_bytes < disk_floor(facts.message_size, facts.disk.total_bytes))
    return refuse(452, {4, 3, 1}, "Insufficient system storage, try again later");
  if (facts.disk.free_names && *facts.disk.free_names < kNamesKept)
    return refuse(452, {4, 3, 1}, "No room for more files, try again later");
  if (facts.wal_bytes > kLogStopBytes)
    return refuse(451, {4, 3, 0}, "Mail system is busy, try again later");
  return {true, {}};
}

bool may_deliver(const AdmissionFacts& facts) {
  return !facts.stopping && standstill(facts).empty();
}

std::string standstill(const AdmissionFacts& facts) {
  if (facts.store == StoreTrouble::away)
    return "the database of the queue cannot be reached (the log says why, store_away); "
           "deliveries go on by themselves when it answers";
  if (!facts.cluster.empty()) return facts.cluster;
  std::string to_do = fmt::format(
      "free some space on the disk of {}; deliveries then go on by themselves",
      facts.in_database && facts.store == StoreTrouble::full ? "the database" : "the spool");
  if (facts.unrecorded >= kUnrecordedMax)
    return fmt::format("{} outcomes wait to be recorded and the disk takes none: {}",
                       facts.unrecorded, to_do);
  if (facts.log_reserved || !facts.disk.known) return {};
  if (facts.disk.free_bytes >= outcome_reserve(facts.disk.total_bytes)) return {};
  return fmt::format("the disk is full ({} bytes free), so outcomes could not be recorded: {}",
                     facts.disk.free_bytes, to_do);
}

std::string why_not_accepting(const AdmissionFacts& facts) {
  const ipc::Admission admission = decide_admission(facts);
  if (admission.accepting) return {};
  if (facts.stopping) return admission.refusal.text;
  std::string why = standstill(facts);
  return why.empty() ? admission.refusal.text : why;
}

bool is_as_meant(const AdmissionFacts& facts) {
  if (facts.stopping) return true;
  return facts.store == StoreTrouble::none && !facts.cluster.empty() && facts.cluster_as_meant;
}

bool room_for_ballast(const AdmissionFacts& facts, std::uint64_t ballast) {
  if (facts.disk.free_names && *facts.disk.free_names < kNamesKept) return false;
  return facts.disk.known && facts.store == StoreTrouble::none && !facts.stopping && ballast > 0 &&
         facts.disk.free_bytes >=
             disk_floor(facts.message_size, facts.disk.total_bytes) + ballast + ballast / 4;
}

}  // namespace postwain::qmgr
