#include "qmgr/nodes/requests.h"

#include <algorithm>
#include <random>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "common/base/sysexits.h"
#include "common/base/text.h"
#include "common/log/log.h"

namespace postwain::qmgr {

namespace {

constexpr std::size_t kRefusalMax = 1000;  // octets of an error's text

// No two requests to one node may have the same number, whoever asks, and in whichever life.
std::int64_t first_number() {
  std::random_device random;
  return static_cast<std::int64_t>((std::uint64_t{random()} << 32 | random()) >> 2);
}

NodeAnswer refusal(const NodeRequest& request, int code, std::string text) {
  text.resize(std::min(text.size(), kRefusalMax));
  return {request.from, request.number, code == 0 ? kExitSoftware : code, std::move(text)};
}

// Of a node that may be of another version, or broken.
Error refusal_in(const NodeAnswer& answer) {
  const bool is_known = answer.code >= kExitUsage && answer.code <= kExitConfig;
  return {printable(answer.data), is_known ? answer.code : kExitProtocol};
}

}  // namespace

// Ends with its last Reply.
struct Requests::Open {
  Open(std::weak_ptr<Requests*> the_owner, NodeRequest the_request)
      : owner(std::move(the_owner)), request(std::move(the_request)) {}
  ~Open() { tell(Error{"the request was given up", kExitTempFail}); }
  Open(const Open&) = delete;
  Open& operator=(const Open&) = delete;

  void tell(Result<std::string> what) {
    std::shared_ptr<Requests*> still = owner.lock();
    if (std::exchange(told, true) || !still) return;
    --(*still)->serving_;
    if (what && what->size() > kAnswerMax)
      what = Error{"the answer is too large to be sent", kExitUnavailable};
    NodeAnswer answer{request.from, request.number, 0, {}};
    if (what)
      answer.data = what.take();
    else
      answer = refusal(request, what.error().code, what.error().text);
    (*still)->answer(std::move(answer));
  }

  std::weak_ptr<Requests*> owner;
  NodeRequest request;
  bool told = false;
};

Requests::Requests(net::Loop& loop, KeeperService& keeper, std::uint8_t self, NameOf name_of)
    : keeper_(keeper),
      self_(self),
      name_of_(std::move(name_of)),
      last_number_(first_number()),
      looks_(loop),
      self_alive_(std::make_shared<Requests*>(this)) {}

void Requests::serve(Kind kind, Serve serve) {
  serve_[static_cast<std::size_t>(kind)] = std::move(serve);
}

// --- asking -----------------------------------------------------------------------------------

void Requests::ask(std::uint8_t node, Kind kind, std::string data, Duration within, Answer done) {
  if (data.size() > kRequestMax)
    return done(Error{"the request to another node is too large to be sent", kExitDataError});
  if (asked_.size() >= kAsksMax)
    return done(Error{fmt::format("{} cannot be asked now: too many requests to other nodes wait",
                                  name_of_(node)),
                      kExitTempFail});
  const std::int64_t number = ++last_number_;
  asked_.emplace(number, Asked{node, mono_now() + within, within, std::move(done)});
  NodeRequest request{node,   self_,          number, static_cast<std::int64_t>(kind),
                      within, std::move(data)};
  keep_then(
      keeper_,
      [request = std::move(request)](KeeperTables& tables) {
        return tables.requests().ask(request);
      },
      [this, number, node](const StoreResult<bool>& sent) {
        if (!sent)
          answered(number, Error{fmt::format("{} cannot be asked now: {}", name_of_(node),
                                             sent.error().text),
                                 kExitTempFail});
        else if (!*sent)
          answered(number, Error{fmt::format("{} does not take requests: too many lie there for it",
                                             name_of_(node)),
                                 kExitTempFail});
      });
  if (!looks_.active()) looks_.repeat(kAnswersLook, [this] { look(); });
}

void Requests::look() {
  const MonoTime now = mono_now();
  std::vector<std::int64_t> late;
  for (const auto& [number, asked] : asked_)
    if (now >= asked.until) late.push_back(number);
  for (std::int64_t number : late) {
    auto asked = asked_.find(number);
    if (asked == asked_.end()) continue;
    answered(number,
             Error{fmt::format("{} has not answered within {}; it may have done what it was "
                               "asked for, or not",
                               name_of_(asked->second.node), format_duration(asked->second.within)),
                   kExitTempFail});
  }
  if (asked_.empty()) return looks_.stop();
  take_answers();
}

void Requests::take_answers() {
  if (std::exchange(taking_answers_, true)) return;
  keep_then(
      keeper_, [](KeeperTables& tables) { return tables.requests().take_answers(); },
      [this](StoreResult<std::vector<NodeAnswer>> taken) {
        taking_answers_ = false;
        if (!taken) return;
        const bool more = taken->size() >= kAnswersAtOnce;
        for (NodeAnswer& one : *taken) {
          if (one.code == 0)
            answered(one.number, std::move(one.data));
          else
            answered(one.number, refusal_in(one));
        }
        if (more) take_answers();
      });
}

// Somebody who does not wait any more hears nothing: his answer came too late, or was for a former
// life of ours.
void Requests::answered(std::int64_t number, Result<std::string> what) {
  auto asked = asked_.find(number);
  if (asked == asked_.end()) return;
  Answer done = std::move(asked->second.done);
  asked_.erase(asked);
  done(std::move(what));
}

// --- serving ----------------------------------------------------------------------------------

void Requests::seen(const RequestMarks& marks) {
  if (marks.requests) take_requests();
  if (marks.answers) take_answers();
  if (mono_now() >= sweep_from_) sweep();
}

// What does not fit lies there until a later beat.
void Requests::take_requests() {
  if (serving_ >= kServedMax || std::exchange(taking_requests_, true)) return;
  const std::size_t most = std::min(kServedMax - serving_, kRequestsAtOnce);
  keep_then(
      keeper_, [most](KeeperTables& tables) { return tables.requests().take_requests(most); },
      [this, most](StoreResult<std::vector<NodeRequest>> taken) {
        taking_requests_ = false;
        if (!taken) return;
        const bool more = taken->size() >= most;
        for (NodeRequest& one : *taken) begin(std::move(one));
        if (more) take_requests();
      });
}

void Requests::begin(NodeRequest request) {
  const bool known = request.kind > 0 && request.kind < static_cast<std::int64_t>(kKinds) &&
                     serve_[static_cast<std::size_t>(request.kind)];
  log::Line(log::Level::debug, "request_served")
      .kv("node", name_of_(request.from))
      .kv("kind", request.kind);
  if (!known)
    return answer(refusal(request, kExitUnavailable,
                          fmt::format("{} does not know what is asked for (kind {}): its version "
                                      "is another one",
                                      name_of_(self_), request.kind)));
  ++serving_;
  const std::uint8_t from = request.from;
  const auto kind = static_cast<std::size_t>(request.kind);
  std::string data = std::exchange(request.data, {});
  auto open = std::make_shared<Open>(self_alive_, std::move(request));
  serve_[kind](from, std::move(data),
               [open](Result<std::string> what) { open->tell(std::move(what)); });
}

// An answer that cannot be written is lost, and its asker hears that there was none.
void Requests::answer(NodeAnswer answer) {
  keep_then(
      keeper_,
      [answer = std::move(answer)](KeeperTables& tables) {
        return tables.requests().answer(answer);
      },
      [](const StoreStatus&) {});
}

void Requests::sweep() {
  sweep_from_ = mono_now() + kRequestsKept;
  keep_then(
      keeper_, [](KeeperTables& tables) { return tables.requests().sweep(); },
      [](const StoreStatus&) {});
}

}  // namespace postwain::qmgr
