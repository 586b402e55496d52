// A handover with a port to qmgr that only writes down what was sent, and an owner that only
// counts.
#pragma once

#include <catch2/catch.hpp>

#include <fcntl.h>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "smtpd/queue_link/handover.h"

namespace postwain::smtpd::handover_test {

struct Port final : QmgrPort {
  bool is_up = true;
  std::string log;  // one letter a frame: S submit, O open, t emptied, w write, F final, A abort
  std::string content;  // all content sent, but for what goes before a file
  std::string header;   // that
  std::uint64_t file_size = 0;
  std::optional<mail::Envelope> final_envelope;
  std::string hold;
  std::string judgements;
  std::string discarded_by;
  std::uint64_t discarded_size = 0;
  std::uint32_t told_past_data = 0;
  bool eight_bit = false;
  std::map<std::uint64_t, Handover*> watched;
  std::uint32_t past = 0;
  std::string buffer;

  bool up() const override { return is_up; }
  bool fits = true;  // into a frame

  bool send(const ipc::Submit& m) override {
    if (!fits) return false;
    log += 'S', content += m.content, told_past_data = m.past_data, eight_bit = m.eight_bit;
    CHECK(m.envelope.recipients.size() == 1);
    return true;
  }
  bool send(const ipc::SubmitOpen&) override {
    if (fits) log += 'O';
    return fits;
  }
  // Done when the test says so.
  void write(mail::QueueId, std::shared_ptr<LentFile> file, std::string bytes, bool anew) override {
    REQUIRE(file != nullptr);
    if (anew) log += 't', content.clear();
    log += 'w', content += bytes;
    bytes.clear();
    buffer = std::move(bytes);
  }
  bool send(const ipc::SubmitFinal& m) override {
    if (!fits) return false;
    log += 'F', file_size = m.file_size, told_past_data = m.past_data, eight_bit = m.eight_bit;
    header = m.header, final_envelope = m.envelope;
    return true;
  }
  void send(const ipc::SubmitAbort&) override { log += 'A'; }
  void send(const ipc::Hold& m) override { hold = m.why; }
  void send(const ipc::Judged& m) override {
    log += 'J';
    judgements = m.judgements;
  }
  void send(const ipc::Discarded& m) override {
    log += 'D';
    judgements = m.judgements, header = m.header, discarded_by = m.filter, discarded_size = m.size;
  }
  void watch(mail::QueueId id, Handover& handover) override { watched[id.value] = &handover; }
  void forget(mail::QueueId id) override { watched.erase(id.value); }
  std::uint32_t& past_data() override { return past; }
};

struct Owner final : Handover::Owner {
  std::vector<int> codes;
  int opened = 0;
  void handed_over(const mail::Reply& reply) override { codes.push_back(reply.code); }
  void window_opened() override { ++opened; }
};

struct Bench {
  Port port;
  Owner owner;
  std::optional<Handover> handover;
  Bench() {
    mail::Envelope envelope;
    envelope.recipients.push_back({mail::Address::from_text("a@b"), {}, {}});
    handover.emplace(port, owner, mail::QueueId{7}, std::move(envelope), ipc::Arrival{});
  }
};

inline UniqueFd some_file() {
  return UniqueFd(::open("/dev/null", O_WRONLY | O_CLOEXEC));
}

inline const mail::Reply kGood{250, {2, 0, 0}, "Ok"};

}  // namespace postwain::smtpd::handover_test
