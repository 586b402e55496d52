// Octets as steps among the rows by which nodes of a shared queue speak with each other: requests
// and answers, rows of beats, claims of places, moments of paces and of what accounts have sent.
// The first octet says which; the others are what the rows say, and when. Nothing that other nodes
// write makes this one exceed a limit, serve what was not asked, or answer somebody else.
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <set>

#include "common/base/sysexits.h"

#include "qmgr/cluster/membership.h"
#include "qmgr/cluster/pace_shares.h"
#include "qmgr/nodes/requests.h"
#include "qmgr/store/pace_table.h"
#include "qmgr/verdicts/account_limits.h"
#include "tests/fuzz/qmgr/input_octets.h"
#include "tests/fuzz/qmgr/tables_in_memory.h"

using namespace postwain;
using namespace postwain::qmgr;
using postwain::fuzz::InputOctets;

namespace {

constexpr std::uint8_t kSelf = 0;
constexpr int kStepsMost = 400;
constexpr std::size_t kErrorTextMost = 1003;  // with its mark of a cut

// --- requests and answers ---------------------------------------------------------------------

class Conversation {
 public:
  explicit Conversation(net::Loop& loop)
      : keeper_(table_),
        talk_(std::make_unique<Requests>(
            loop, keeper_, kSelf, [](std::uint8_t node) { return "mx" + std::to_string(node); })) {
    talk_->serve(Requests::Kind::action, server(Requests::Kind::action));
    talk_->serve(Requests::Kind::late_outcomes, server(Requests::Kind::late_outcomes));
  }

  void step(InputOctets& in) {
    switch (in.octet() % 10) {
      case 0:
        return talk_->seen({true, true});
      case 1:
        return put_request(in);
      case 2:
        return put_answer(in);
      case 3:
        return ask(in);
      case 4:
        return reply(in);
      case 5:
        table_.away = !table_.away;
        return;
      case 6:
        table_.full = !table_.full;
        return;
      case 7:
        return keeper_.run_one();
      default:
        keeper_.run();
    }
  }

  void end() {
    table_.away = false;
    open_.clear();
    talk_->seen({true, true});
    keeper_.run();
    open_.clear();  // what was taken just now
    keeper_.run();
    judge();
    talk_.reset();
  }

  void judge() const {
    PW_CHECK(talk_->waiting() <= kAsksMax && talk_->served() <= kServedMax);
    PW_CHECK(talk_->served() == open_.size());
    std::set<std::size_t> told;
    for (const NodeAnswer& one : table_.answered) {
      PW_CHECK(one.data.size() <= (one.code == 0 ? kAnswerMax : kErrorTextMost));
      PW_CHECK(static_cast<std::size_t>(one.number) < given_.size());
      const auto number = static_cast<std::size_t>(one.number);
      // To whoever has asked, once, and nothing before it was served.
      PW_CHECK(given_[number].from == one.to && told.insert(number).second);
      PW_CHECK(one.code != 0 || served_.count(number) == 1);
    }
  }

 private:
  struct Open {
    std::size_t number = 0;
    Requests::Reply reply;
  };

  // Its number is its place among what was given; the text carries it as well.
  void put_request(InputOctets& in) {
    NodeRequest one;
    one.to = kSelf;
    one.from = static_cast<std::uint8_t>(in.octet() % cluster::kNodes);
    one.number = static_cast<std::int64_t>(given_.size());
    one.kind = in.octet();
    if (one.kind == 0xFF) one.kind = in.any_number();
    one.within = std::chrono::seconds(1);
    one.data = std::to_string(given_.size()) + " " + in.text();
    given_.push_back(one);
    table_.requests.push_back(one);
  }

  Requests::Serve server(Requests::Kind kind) {
    return [this, kind](std::uint8_t from, const std::string& data, Requests::Reply reply) {
      const std::size_t number = std::stoull(data);
      PW_CHECK(number < given_.size() && given_[number].data == data);
      PW_CHECK(given_[number].from == from);
      PW_CHECK(given_[number].kind == static_cast<std::int64_t>(kind));
      PW_CHECK(served_.insert(number).second);
      open_.push_back({number, std::move(reply)});
    };
  }

  void reply(InputOctets& in) {
    const std::uint8_t which = in.octet();
    const std::uint8_t how = in.octet();
    if (open_.empty()) return;
    auto one = std::next(open_.begin(), which % static_cast<std::ptrdiff_t>(open_.size()));
    Open open = std::move(*one);
    open_.erase(one);
    if (how % 4 == 0) return;  // given up
    if (how % 4 == 1)
      open.reply(Error{std::string(how % 8 == 1 ? 5000 : 5, 'e'), how});
    else
      open.reply(std::string(how % 8 == 2 ? kAnswerMax + 1 : how, 'a'));
    open.reply(std::string("twice"));
  }

  void ask(InputOctets& in) {
    const std::uint8_t node = in.octet() % cluster::kNodes;
    const std::size_t mine = asks_++;
    std::string data = std::to_string(mine) + " " + in.text();
    if (in.octet() == 0xFF) data.resize(kRequestMax + 1);
    talk_->ask(node, Requests::Kind::action, data, std::chrono::hours(1),
               [this, mine](const Result<std::string>& answer) {
                 PW_CHECK(heard_.insert(mine).second);
                 if (answer) {
                   // What was meant for another one of them is not told here.
                   PW_CHECK(answer->starts_with(std::to_string(mine) + " "));
                   return;
                 }
                 PW_CHECK(answer.error().code >= kExitUsage && answer.error().code <= kExitConfig);
                 PW_CHECK(answer.error().text.size() <= kErrorTextMost);
               });
  }

  // To one of ours, or to nobody's request; perhaps twice. Columns have the bounds of theirs.
  void put_answer(InputOctets& in) {
    const std::uint8_t which = in.octet();
    NodeAnswer one;
    one.to = kSelf;
    one.code = static_cast<std::int16_t>(in.number(2));
    one.data = in.text();
    one.number = in.any_number();
    if (in.octet() == 0xFF) one.data.resize(kAnswerMax, '\x01');
    if (which != 0xFF && !table_.asked.empty()) {
      const NodeRequest& of = table_.asked[which % table_.asked.size()];
      one.number = of.number;
      if (one.code == 0) one.data = of.data.substr(0, of.data.find(' ') + 1) + one.data;
      one.data.resize(std::min(one.data.size(), kAnswerMax));
    }
    if (std::none_of(table_.asked.begin(), table_.asked.end(),
                     [&](const NodeRequest& of) { return of.number == one.number; }))
      one.code = 0;  // nobody hears it, whatever it says
    table_.answers.push_back(std::move(one));
  }

  fuzz::RequestsInMemory table_;
  fuzz::KeeperInMemory keeper_;
  std::vector<NodeRequest> given_;
  std::set<std::size_t> served_;
  std::list<Open> open_;
  std::size_t asks_ = 0;
  std::set<std::size_t> heard_;
  std::unique_ptr<Requests> talk_;  // goes first
};

void talk(InputOctets& in) {
  static net::Loop loop;
  {
    Conversation conversation(loop);
    for (int steps = 0; !in.empty() && steps < kStepsMost; ++steps) {
      conversation.step(in);
      conversation.judge();
    }
    conversation.end();
  }
  loop.run();  // what has ended is closed
}

// --- rows of beats ----------------------------------------------------------------------------

constexpr std::int64_t kOwnTerm = 7;

// As pg_beats.cc reads them: numbers within their bounds, and each node once.
std::vector<cluster::NodeRow> node_rows(InputOctets& in) {
  std::vector<cluster::NodeRow> rows;
  std::set<cluster::NodeNumber> seen;
  for (unsigned count = in.octet() % 5; count > 0; --count) {
    cluster::NodeRow row;
    row.id = *cluster::node_number(in.octet() % cluster::kNodes);
    const std::uint8_t how = in.octet();
    row.term = {how % 2 == 0 ? kOwnTerm : in.any_number()};
    row.state = *cluster::node_state(how / 2 % 3);
    row.beat = {how / 8 % 2 == 0 ? std::int64_t{in.octet()} : in.any_number()};
    row.weight = static_cast<std::uint16_t>(1 + in.number(2) % cluster::kWeightMost);
    row.busy = how / 16 % 2 != 0;
    row.idle = how / 32 % 2 != 0;
    if (seen.insert(row.id).second) rows.push_back(row);
  }
  return rows;
}

void judge(const cluster::Decisions& decisions, const cluster::BeatReport& report) {
  std::set<cluster::NodeNumber> live;
  for (const cluster::NodeRow& row : report.nodes)
    if (row.state != cluster::NodeState::gone) live.insert(row.id);
  for (const cluster::Fence& one : decisions.fence)
    PW_CHECK(one.node.value != kSelf && live.count(one.node) == 1);
  for (const cluster::Adopt& one : decisions.adopt) {
    PW_CHECK(!one.from || live.count(*one.from) == 0);
    one.bags.for_each(
        [&](cluster::BagNumber bag) { PW_CHECK(report.bags[bag.value].owner == one.from); });
  }
  for (const cluster::Give& one : decisions.give)
    PW_CHECK(one.to.value != kSelf && live.count(one.to) == 1 && decisions.own.has(one.bag));
}

void beat(InputOctets& in) {
  cluster::BootTime now{std::chrono::hours(1)};
  cluster::Membership member({{kSelf}, {kOwnTerm}, now});
  for (int steps = 0; !in.empty() && steps < kStepsMost; ++steps) {
    now += Duration(in.number(2));
    member.beat_sent(now);
    now += Duration(in.number(2));
    const std::vector<cluster::NodeRow> nodes = node_rows(in);
    std::vector<cluster::BagRow> bags;
    const std::uint8_t owners = in.octet();
    for (std::uint8_t b = 0; b < cluster::kBags; ++b)
      bags.push_back({{b}, cluster::node_number((b * owners) % (cluster::kNodes + 2))});
    const std::vector<std::uint64_t> messages(cluster::kBags, in.number(8));
    cluster::BeatReport report{in.octet() % 8 == 0 ? cluster::BeatEnd::away : cluster::BeatEnd::ok,
                               now,
                               nodes,
                               bags,
                               messages,
                               in.octet() % 2 == 0};
    judge(member.beat_ended(report), report);
  }
}

// --- places -----------------------------------------------------------------------------------

void share_places(InputOctets& in) {
  cluster::BootTime now{std::chrono::hours(1)};
  cluster::PlaceShares shares({kSelf}, {kOwnTerm});
  fuzz::ClaimsInMemory table;
  std::vector<cluster::PlaceShares::Wish> wishes;
  for (int steps = 0; !in.empty() && steps < kStepsMost; ++steps) {
    now += Duration(in.number(2));
    const std::vector<cluster::NodeRow> nodes = node_rows(in);
    std::vector<std::string> wants;
    std::vector<cluster::PlaceShares::Row> rows;
    for (std::size_t i = 0; i < nodes.size(); ++i) wants.push_back(in.text());
    for (std::size_t i = 0; i < nodes.size(); ++i)
      rows.push_back({nodes[i].id, nodes[i].term, nodes[i].state, nodes[i].beat,
                      in.octet() % 2 == 0 ? shares.seen() : in.any_number(), wants[i]});
    shares.beat(rows, now);
    if (shares.needs_owned()) shares.owned(table.owned());
    if (shares.needs_drop() && wishes.empty()) {
      table.drop();
      shares.dropped();
    }
    std::map<std::string, cluster::PlaceShares::Demand> demands;
    for (unsigned count = in.octet() % 4; count > 0; --count) {
      cluster::PlaceShares::Demand one{in.text(), in.octet(), in.octet(), in.octet()};
      demands[one.group] = one;
    }
    std::vector<cluster::PlaceShares::Demand> all;
    for (const auto& [group, one] : demands) all.push_back(one);
    const cluster::PlaceShares::Decision now_is = shares.look(all, now, true);
    PW_CHECK(now_is.wishes.empty() || wishes.empty());  // one call at a time
    PW_CHECK(now_is.wishes.size() <= cluster::kPlaceWishesMax);
    for (const auto& one : now_is.wishes) {
      PW_CHECK(one.key.size() <= cluster::kPlaceKeyMax && one.keep <= one.wanted);
      wishes.push_back(one);
    }
    for (const auto& one : now_is.allowances)
      if (auto found = demands.find(one.group); found != demands.end() && found->second.limit > 0)
        PW_CHECK(one.places <= found->second.limit);
    auto told = cluster::read_wants(shares.wants());
    PW_CHECK(told && cluster::wants_text(*told) == shares.wants());
    if (wishes.empty()) continue;
    const std::uint8_t how = in.octet();
    if (how % 4 == 0) continue;  // it is under way
    std::vector<cluster::Claim> claims;
    if (how % 4 != 1)
      for (const auto& one : wishes) claims.push_back(table.claim(one, in.octet()));
    if (how % 4 == 2) shares.answered(claims, now);
    if (how % 4 != 2) shares.lost();
    wishes.clear();
  }
}

// --- paces and accounts -----------------------------------------------------------------------

// As keeper/pg_paces.cc gives it: whatever stands in the row.
Duration stood(InputOctets& in, Duration burst, Duration most) {
  return std::clamp(Duration(in.any_number()), -burst, most);
}

void share_paces(InputOctets& in) {
  cluster::BootTime now{std::chrono::hours(1)};
  cluster::PaceShares shares;
  std::vector<cluster::PaceShares::Wish> wishes;
  const Duration burst(in.number(2));
  const cluster::Rate rate{static_cast<std::uint32_t>(1 + in.number(2)),
                           Duration(1 + in.number(4) % 86'400'000)};
  for (int steps = 0; !in.empty() && steps < kStepsMost; ++steps) {
    const std::uint8_t what = in.octet();
    const std::string key(1, static_cast<char>('a' + what / 8 % 4));
    now += Duration(in.number(1));
    if (what % 8 < 4) {
      auto wait = shares.wait(key, rate, burst, now);
      PW_CHECK(!wait || *wait >= Duration(0));
      // A row far ahead keeps nobody waiting for longer than all nodes together may have taken.
      const Duration gap = cluster::time_of(rate, 1);
      PW_CHECK(!wait || *wait <= burst + 34 * std::max(2 * cluster::kSliceSpanMax, gap));
      if (wait && *wait == Duration(0)) shares.take(key);
    } else if (what % 8 == 4) {
      now += Duration(in.number(3));
      shares.forget_idle(now);
    } else if (what % 8 == 5 && wishes.empty() && shares.wants()) {
      wishes = shares.ask(now);
      std::set<std::string> keys;
      for (const auto& one : wishes)
        PW_CHECK(keys.insert(one.key).second && one.span >= Duration(0) && one.most >= one.burst);
      PW_CHECK(wishes.size() <= kPaceWishesMax);
    } else if (what % 8 == 6 && !wishes.empty()) {
      std::vector<Duration> aheads;
      for (const auto& one : wishes) aheads.push_back(stood(in, one.burst, one.most));
      shares.answered(aheads, now);
      wishes.clear();
    } else if (what % 8 == 7 && !wishes.empty()) {
      shares.lost();
      wishes.clear();
    }
  }
}

void count_accounts(InputOctets& in) {
  config::Auth auth;
  auth.limit.messages = {1 + in.octet() % 40U, std::chrono::minutes(1 + in.octet())};
  auth.limit.recipients = {1 + in.octet() % 40U, std::chrono::minutes(1 + in.octet())};
  AccountLimits limits(auth);
  limits.tell_to([] {});
  MonoTime now{std::chrono::hours(1)};
  std::vector<AccountLimits::News> news;
  auto hear = [&](const std::function<Duration()>& ahead) {
    std::vector<Duration> aheads;
    for (std::size_t i = 0; i < news.size(); ++i) aheads.push_back(ahead());
    limits.told(aheads, now);
    news.clear();
  };
  for (int steps = 0; !in.empty() && steps < kStepsMost; ++steps) {
    const std::uint8_t what = in.octet();
    const std::string account(1, static_cast<char>('a' + what / 8 % 4));
    now += Duration(in.number(2));
    if (what % 8 < 3) {
      limits.count(account, 1 + in.octet() % 3U, now);
    } else if (what % 8 == 3) {
      limits.give_back(account, 1 + in.octet() % 3U, now);
    } else if (news.empty()) {
      news = limits.tell(kPaceWishesMax, now);
      PW_CHECK(news.size() <= kPaceWishesMax);
      for (const auto& one : news) PW_CHECK(one.most >= Duration(0));
    } else if (what % 8 == 4) {
      limits.lost(now);
      news.clear();
    } else {
      hear([&] { return Duration(in.any_number()); });
    }
  }
  // Whatever rows said, nobody is shut out for good.
  if (!news.empty()) hear([] { return Duration::max(); });
  now += std::chrono::hours(24 * 60);
  for (char account = 'a'; account < 'e'; ++account)
    PW_CHECK(limits.count(std::string(1, account), 1, now).kind == AccountLimits::Kind::pass);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  InputOctets in(data + 1, size - 1);
  switch (data[0]) {
    case 't':
      talk(in);
      break;
    case 'b':
      beat(in);
      break;
    case 's':
      share_places(in);
      break;
    case 'p':
      share_paces(in);
      break;
    case 'a':
      count_accounts(in);
      break;
    default:
      break;
  }
  return 0;
}
