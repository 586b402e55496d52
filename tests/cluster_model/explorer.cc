#include "tests/cluster_model/explorer.h"

#include <algorithm>

#include "tests/cluster_model/seen_states.h"

namespace postwain::cluster_model {

namespace {

// How a state was reached.
struct Origin {
  std::uint32_t from = 0;
  Action by;
};

struct Waiting {
  State state;
  std::uint32_t number = 0;
};

class Search {
 public:
  Search(const Rules& rules, const Bounds& bounds)
      : model_(rules), bounds_(bounds), seen_(bounds.states) {}

  Finding run() {
    State first = model_.first();
    seen_.add(hash_of(first));
    origins_.push_back({});
    level_.push_back({first, 0});
    while (!level_.empty() && !stopped()) {
      ++finding_.depth;
      for (const Waiting& waiting : level_) {
        expand(waiting);
        if (stopped()) break;
      }
      level_ = std::move(next_);
      next_ = {};
    }
    finding_.states = origins_.size();
    finding_.complete = level_.empty() && !stopped();
    return finding_;
  }

 private:
  bool stopped() const {
    return finding_.wrong != Wrong::nothing || origins_.size() >= bounds_.states;
  }

  void expand(const Waiting& waiting) {
    model_.possible(waiting.state, actions_);
    for (const Action& action : actions_) {
      State after = waiting.state;
      Wrong wrong = model_.apply(after, action);
      ++finding_.steps;
      if (wrong == Wrong::nothing && !seen_.add(hash_of(after))) continue;
      origins_.push_back({waiting.number, action});
      auto number = static_cast<std::uint32_t>(origins_.size() - 1);
      if (wrong != Wrong::nothing) {
        finding_.wrong = wrong;
        finding_.story = story_of(number);
        return;
      }
      if (stopped()) return;
      next_.push_back({after, number});
    }
  }

  // Goes the way again, from the first state.
  std::string story_of(std::uint32_t number) const {
    std::vector<Action> way;
    for (; number != 0; number = origins_[number].from) way.push_back(origins_[number].by);
    std::reverse(way.begin(), way.end());
    std::string story;
    State state = model_.first();
    unsigned ticks = 0;
    for (const Action& action : way) {
      if (action.what == Do::tick) ++ticks;
      story += "  " + std::to_string(ticks) + ": " + Model::describe(state, action) + "\n";
      model_.apply(state, action);
    }
    return story;
  }

  Model model_;
  Bounds bounds_;
  SeenStates seen_;
  std::vector<Origin> origins_;
  std::vector<Waiting> level_;
  std::vector<Waiting> next_;
  std::vector<Action> actions_;
  Finding finding_;
};

}  // namespace

Finding explore(const Rules& rules, const Bounds& bounds) {
  return Search(rules, bounds).run();
}

}  // namespace postwain::cluster_model
