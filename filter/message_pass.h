// One message on its way through the filters of a session, one after another: each is shown the
// header section and the body as those before it have left them. The first is fed while the message
// comes; the others get what was kept. Those who look at no content are asked at the end only; what
// they wanted before the content came is done by then.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "common/ipc/filter_messages.h"
#include "filter/body_store.h"
#include "filter/chain_member.h"
#include "filter/deciding/chain_verdict.h"
#include "filter/deciding/message_edits.h"
#include "filter/shared.h"

namespace postwain::filter {

using Members = std::vector<std::unique_ptr<ChainMember>>;

// Octets that a filter has not taken; beyond, it is given no more.
constexpr std::size_t kBacklogMax = 128U << 10;

// Each line can be a field of its own, which costs fifty octets more than it has.
constexpr std::ptrdiff_t kHeaderLinesMax = 50'000;

class MessagePass {
 public:
  // All outlive it. facts: of the session; gets the macros that members have found.
  MessagePass(Shared& shared, Members& members, SessionFacts& facts)
      : shared_(shared), members_(members), facts_(facts) {
    ++shared_.messages;
  }
  ~MessagePass() { --shared_.messages; }
  MessagePass(const MessagePass&) = delete;
  MessagePass& operator=(const MessagePass&) = delete;

  const ChainVerdict& verdict() const { return verdict_; }
  // What a member says that counts for the message. A final verdict ends it for all members.
  void take(const ChainMember& from, const Opinion& opinion);
  // The same, of nobody's saying.
  void refuse(const std::string& filter, ipc::FilterVerdict verdict, const mail::Reply& reply);

  // --- the content, in this order
  void header(std::string_view section, std::size_t hidden);
  void end_of_header();
  void body(std::string_view octets);
  // Something may have come of the filter that is fed while the message comes.
  void look();
  std::size_t backlog() const;
  // After all of it. True: the message is through. False: again, when something has come.
  bool end();

  // --- what has become of it, once it is through
  // Of a body that was replaced; nothing: it was not.
  const BodyStore* new_body() const { return replaced_ ? body_.get() : nullptr; }
  // What the members have said of it so far.
  void add_judgements(std::vector<ipc::FilterJudgement>& judgements) const;
  // section: the text that a view of the result points to.
  void fill(ipc::FilterResult& result, std::string& section) const;

 private:
  // What the member whose turn it is has got out of what was kept, and whether that is all.
  enum class Fed : std::uint8_t { nothing, from_kept, everything };

  bool hear(ChainMember& member);
  void merge(ChainMember& member);
  void tell_macros(ChainMember& member);
  bool feed(ChainMember& member);
  bool feed_content(ChainMember& member);
  bool streams() const;
  void end_all();
  void keep(std::string_view octets);

  Shared& shared_;
  Members& members_;
  SessionFacts& facts_;
  ChainVerdict verdict_;
  std::optional<MessageEdits> edits_;
  std::unique_ptr<BodyStore> body_;  // for those behind the first, or a new one
  bool replaced_ = false;
  std::string not_kept_;      // why the body is not there for those behind the first
  std::size_t at_ = 0;        // whose turn it is, at the end
  std::size_t streamed_ = 0;  // who gets the content as it comes
  Fed fed_ = Fed::nothing;
  bool header_ended_ = false;
  std::uint64_t offset_ = 0;  // of the kept body, that it has got
};

}  // namespace postwain::filter
