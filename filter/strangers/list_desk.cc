#include "filter/strangers/list_desk.h"

#include <algorithm>
#include <map>
#include <utility>

#include "common/log/log.h"
#include "filter/deciding/list_answer.h"
#include "filter/strangers/list_questions.h"

namespace postwain::filter {

namespace {

constexpr Duration kLookAtListsEvery = std::chrono::seconds(1);

std::string question_of(const config::DnsList& list, const std::string& subject) {
  return list.by == config::ListKey::address ? list_question(list.zone, subject)
                                             : name_question(list.zone, subject);
}

}  // namespace

struct ListDesk::Desk : std::enable_shared_from_this<ListDesk::Desk> {
  Desk(Clock& c, ListPort& p, const std::vector<config::DnsList>& l)
      : clock(c),
        port(p),
        lists(l),
        health(l.size()),
        silences(l.size()),
        states(l.size()),
        alarm(c.alarm()) {
    for (std::size_t i = 0; i < lists.size(); ++i) {
      states[i].label = lists[i].label.substr(0, ipc::kListLabelMax);
      states[i].since = to_unix_ms(clock.wall());
    }
  }

  Clock& clock;
  ListPort& port;
  const std::vector<config::DnsList>& lists;
  std::vector<ListHealth> health;
  std::vector<std::uint32_t> silences;  // in a row
  std::vector<ipc::ListState> states;   // with what the next report is to say
  bool news = true;
  std::unique_ptr<Alarm> alarm;
  std::size_t under_way = 0;
  bool gone = false;
  std::map<const void*, std::function<void()>> watchers;

  void look() {
    MonoTime now = clock.mono();
    for (std::size_t i = 0; i < lists.size(); ++i)
      if (health[i].wants_test(now)) test(i);
    alarm->start(kLookAtListsEvery, [this] { look(); });
  }

  void test(std::size_t list) {
    health[list].test_begins();
    news = true;
    ask_test(port, lists[list], [self = shared_from_this(), list](const ListTestAnswers& answers) {
      if (!self->gone) self->tested(list, answers);
    });
  }

  void tested(std::size_t list, const ListTestAnswers& test) {
    if (health[list].tested(test.listed, test.not_listed, clock.mono())) changed(list);
    if (health[list].is_believed()) silences[list] = 0;
    news = true;
  }

  void count(std::size_t list, ListVerdict verdict) {
    ++states[list].answers[static_cast<std::size_t>(verdict)];
    news = true;
  }

  // What comes too late has been counted already.
  void heard(std::size_t list, ListVerdict verdict, bool late) {
    if (verdict == ListVerdict::silent) return late ? void() : silent(list);
    if (!late) {
      silences[list] = 0;
      count(list, verdict);
    }
    if (health[list].saw(verdict, clock.mono())) changed(list);
  }

  void silent(std::size_t list) {
    count(list, ListVerdict::silent);
    if (++silences[list] < kSilencesToRest) return;
    silences[list] = 0;
    if (health[list].rests(clock.mono())) changed(list);
  }

  void changed(std::size_t list) {
    bool good = health[list].is_believed();
    states[list].since = to_unix_ms(clock.wall());
    news = true;
    log::Line(good ? log::Level::info : log::Level::warning, "dns_list")
        .kv("list", lists[list].label)
        .kv("state", name_of(health[list].state()));
    // Who is told may forget itself or others.
    std::vector<const void*> told;
    for (const auto& [who, call] : watchers) told.push_back(who);
    for (const void* who : told) {
      auto found = watchers.find(who);
      if (found != watchers.end()) std::function<void()>(found->second)();
    }
  }
};

ListDesk::ListDesk(Clock& clock, ListPort& port, const std::vector<config::DnsList>& lists)
    : lists_(lists), desk_(std::make_shared<Desk>(clock, port, lists)) {}

ListDesk::~ListDesk() {
  desk_->gone = true;
  desk_->alarm.reset();
  desk_->watchers.clear();
}

void ListDesk::start() {
  if (!lists_.empty()) desk_->look();
}

bool ListDesk::ask(std::size_t list, const std::string& subject,
                   std::function<void(ListVerdict)> done) {
  std::string name = question_of(lists_[list], subject);
  if (name.empty() || !desk_->health[list].is_asked(desk_->clock.mono()) ||
      desk_->under_way >= kListQuestionsMax)
    return false;
  ++desk_->under_way;
  MonoTime asked = desk_->clock.mono();
  desk_->port.ipv4(
      name, [desk = desk_, list, asked, done = std::move(done)](const dns::AddressAnswer& answer) {
        --desk->under_way;
        if (desk->gone) return;
        ListVerdict verdict = read_list_answer(desk->lists[list], answer.status, answer.addresses);
        desk->heard(list, verdict, desk->clock.mono() - asked >= kListAnswerMax);
        done(verdict);
      });
  return true;
}

void ListDesk::overdue(std::size_t list) {
  desk_->silent(list);
}

void ListDesk::ask_reason(std::size_t list, const std::string& subject,
                          std::function<void(const std::string&)> done) {
  std::string name = question_of(lists_[list], subject);
  if (name.empty()) return done({});
  desk_->port.text(name, [done = std::move(done)](const dns::TextAnswer& answer) {
    done(reason_text(answer.texts));
  });
}

const ListHealth& ListDesk::health_of(std::size_t list) const {
  return desk_->health[list];
}

bool ListDesk::has_news() const {
  return desk_->news;
}

std::vector<ipc::ListState> ListDesk::report() {
  std::vector<ipc::ListState> out = desk_->states;
  std::int64_t now = to_unix_ms(desk_->clock.wall());
  for (std::size_t i = 0; i < out.size(); ++i) {
    const ListHealth& health = desk_->health[i];
    out[i].standing = health.state();
    out[i].testing = health.is_being_tested();
    out[i].next_test = now + (health.test_at() - desk_->clock.mono()).count();
    desk_->states[i].answers = {};
  }
  desk_->news = false;
  return out;
}

void ListDesk::watch(const void* who, std::function<void()> changed) {
  desk_->watchers[who] = std::move(changed);
}

void ListDesk::forget(const void* who) {
  desk_->watchers.erase(who);
}

}  // namespace postwain::filter
