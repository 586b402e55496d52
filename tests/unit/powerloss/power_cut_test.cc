// Power cuts at every moment of many stories: nothing that was promised is missing, nothing is
// there in part. And the proof of the rig: stories with a deliberate mistake must be found out.
//
// POSTWAIN_POWERLOSS_STATES sets how many disks are looked at (make powerloss: 200,000), and
// POSTWAIN_POWERLOSS_SEED where the stories begin.
#include <cstdio>
#include <cstdlib>

#include <catch2/catch.hpp>

#include <fmt/format.h>

#include "queue-schema/migrations.h"
#include "tests/simdisk/power_cut.h"
#include "tests/unit/powerloss/script.h"

using namespace postwain;
using namespace postwain::powerloss;

namespace {

constexpr std::size_t kStatesOfAStory = 500;

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

struct Verdict {
  std::size_t states = 0;
  std::size_t promises = 0;
  std::string wrong;
};

// Cuts the story at `count` moments, spread over all of it.
Verdict cut(const Story& story, std::size_t count) {
  Verdict verdict;
  simdisk::Disk disk(empty_spool());
  Ledger ledger;
  if (tell(story, disk, ledger) != Ending::stopped) {
    verdict.wrong = "the story did not come to its end";
    return verdict;
  }
  verdict.promises = ledger.promises();
  simdisk::Random random(story.seed * 7919);
  simdisk::PowerCut power(disk.first(), disk.log(), story.seed);
  std::vector<std::size_t> moments;
  for (std::size_t i = 0; i < count; ++i) moments.push_back(random() % (disk.log().size() + 1));
  std::sort(moments.begin(), moments.end());
  for (std::size_t moment : moments) {
    power.advance(moment);
    ++verdict.states;
    verdict.wrong = judge(power.image(random), ledger, moment);
    if (verdict.wrong.empty()) continue;
    verdict.wrong = fmt::format("seed {}, cut after {} of {} calls: {}", story.seed, moment,
                                disk.log().size(), verdict.wrong);
    break;
  }
  return verdict;
}

// States until the mistake is found; 0: it was not.
std::size_t states_until_found(Sin sin, std::string& how) {
  std::size_t states = 0;
  for (std::uint64_t seed = 1; states < 2000; ++seed) {
    Verdict verdict = cut({seed, 30, sin}, 200);
    states += verdict.states;
    how = verdict.wrong;
    if (!how.empty()) return states;
  }
  return 0;
}

}  // namespace

// Files under way have names that nobody can guess, and so other ones each time.
std::string without_random_names(std::string text) {
  constexpr std::string_view kPart = ".part";
  constexpr std::size_t kRandomDigits = 32;
  for (std::size_t at = text.find(kPart); at != std::string::npos;
       at = text.find(kPart, at + kPart.size()))
    if (at >= kRandomDigits) text.replace(at - kRandomDigits, kRandomDigits, kRandomDigits, 'x');
  return text;
}

TEST_CASE("the same seed tells the same story") {
  std::vector<simdisk::Entry> logs[2];
  for (auto& log : logs) {
    simdisk::Disk disk(empty_spool());
    Ledger ledger;
    REQUIRE(tell({42, 30, Sin::none}, disk, ledger) == Ending::stopped);
    log = disk.log();
  }
  REQUIRE(logs[0].size() == logs[1].size());
  for (std::size_t i = 0; i < logs[0].size(); ++i) {
    INFO("call " << i << " of " << logs[0].size());
    REQUIRE((logs[0][i].call == logs[1][i].call && logs[0][i].inode == logs[1][i].inode));
    REQUIRE(logs[0][i].offset == logs[1][i].offset);
    REQUIRE(without_random_names(logs[0][i].text) == without_random_names(logs[1][i].text));
  }
}

TEST_CASE("no power cut loses what was promised") {
  std::uint64_t wanted = number_from("POSTWAIN_POWERLOSS_STATES", 2500);
  std::uint64_t first = number_from("POSTWAIN_POWERLOSS_SEED", 1);
  std::uint64_t states = 0;
  std::uint64_t promises = 0;
  std::uint64_t seed = first;
  for (; states < wanted; ++seed) {
    Verdict verdict = cut({seed, 30, Sin::none}, kStatesOfAStory);
    INFO("POSTWAIN_POWERLOSS_SEED=" << seed);
    REQUIRE(verdict.wrong == "");
    states += verdict.states;
    promises += verdict.promises;
  }
  std::printf("%llu states after power cuts, seeds %llu to %llu, %llu promises: none broken\n",
              static_cast<unsigned long long>(states), static_cast<unsigned long long>(first),
              static_cast<unsigned long long>(seed - 1), static_cast<unsigned long long>(promises));
}

TEST_CASE("a power cut within the recovery from a power cut loses nothing either") {
  simdisk::Random random(11);
  for (std::uint64_t seed = 100; seed < 104; ++seed) {
    simdisk::Disk disk(empty_spool());
    Ledger ledger;
    REQUIRE(tell({seed, 20, Sin::none}, disk, ledger) == Ending::stopped);
    simdisk::PowerCut power(disk.first(), disk.log(), seed);
    for (std::size_t part = 1; part <= 5; ++part) {
      std::size_t moment = disk.log().size() * part / 5;
      power.advance(moment);
      simdisk::Disk cut_once(power.image(random));
      {
        Ledger nobody;
        Life recovery(cut_once, nobody, Sin::none);
        REQUIRE(recovery.start());
        recovery.stop();
      }
      simdisk::PowerCut again(cut_once.first(), cut_once.log(), seed);
      for (std::size_t at = 0; at <= cut_once.log().size(); ++at) {
        again.advance(at);
        INFO("seed " << seed << ", cut after " << moment << ", again after " << at);
        REQUIRE(judge(again.image(random), ledger, moment) == "");
      }
    }
  }
}

TEST_CASE("a queue that has survived a power cut survives the next ones") {
  simdisk::Random random(12);
  for (std::uint64_t seed = 200; seed < 208; ++seed) {
    simdisk::Image image = empty_spool();
    Found found;
    for (std::uint64_t life = 0; life < 6; ++life) {
      simdisk::Disk disk(image);
      Ledger ledger(found);
      Story story{seed * 10 + life, 14, Sin::none, 1 + life * 10000};
      REQUIRE(tell(story, disk, ledger) == Ending::stopped);
      simdisk::PowerCut power(disk.first(), disk.log(), seed);
      constexpr std::size_t kCuts = 12;
      for (std::size_t i = 1; i <= kCuts; ++i) {
        std::size_t moment = disk.log().size() / kCuts * i;
        power.advance(moment);
        image = power.image(random);
        INFO("seed " << seed << ", life " << life << ", cut after " << moment);
        REQUIRE(judge(image, ledger, moment, &found) == "");
      }
    }
  }
}

TEST_CASE("the rig finds every deliberate mistake") {
  struct {
    Sin sin;
    const char* name;
  } rows[] = {
      {Sin::normal_sync, "synchronous = NORMAL"},
      {Sin::early_promise, "250 before the commit"},
      {Sin::bounce_apart, "bounce and failure in two commits"},
      {Sin::no_file_sync, "content file not synced"},
      {Sin::no_folder_sync, "name of the content file not synced"},
      {Sin::file_before_row, "content file removed before its row"},
  };
  for (const auto& row : rows) {
    std::string how;
    std::size_t states = states_until_found(row.sin, how);
    INFO(row.name);
    CHECK(states > 0);
    std::printf("%s: found after %zu states (%s)\n", row.name, states, how.c_str());
  }
}

TEST_CASE("a migration is whole or has not begun, from every version of the schema") {
  simdisk::Random random(5);
  for (std::int64_t from = 1; from <= queue_schema::schema_version(); ++from) {
    simdisk::Disk disk(empty_spool());
    simdisk::SqliteVfs vfs(disk);
    std::string path = std::string(kSpool) + "/queue.db";
    {
      auto db = qmgr::Database::open(path, qmgr::Database::Create::if_missing, vfs.name());
      REQUIRE(db.ok());
      for (const queue_schema::Migration& step : queue_schema::migrations())
        if (step.version <= from) REQUIRE(db->run(std::string(step.sql)).ok());
      REQUIRE(db->run(fmt::format(
                          "PRAGMA application_id = {}; PRAGMA user_version = {}; "
                          "INSERT INTO message (id, reverse_path, body, smtputf8, eight_bit, "
                          "ret, envid, size, received_at, protocol, client_address, client_name, "
                          "account, kind, traffic_class, in_file) VALUES "
                          "(7,'s@example.com',0,0,0,0,'',4,1,'ESMTP',"
                          "'','','',0,0,0); INSERT INTO content (id, data) VALUES (7, x'61620d0a');"
                          "INSERT INTO recipient (message_id, idx, address, notify, orcpt, "
                          "state, destination, attempts, next_attempt_at, in_doubt, "
                          "delay_warned, last_at, last_stage, last_code, last_enhanced, "
                          "last_text, last_host) VALUES (7,0,'r@example.org',0,'',0,'mx:e',3,9,1,"
                          "0,0,0,0,'','','')",
                          queue_schema::kApplicationId, from))
                  .ok());
    }
    simdisk::Disk old(disk.seen());
    {
      simdisk::SqliteVfs old_vfs(old);
      auto store = qmgr::SqliteStore::open(path, old_vfs.name());
      REQUIRE(store.ok());
    }
    Ledger ledger;
    ledger.promised(ledger.begin("old message", {{{7, 0}, {true, false, true, 3, 9}}}, 0), 0);
    ledger.content(7, "ab\r\n");
    simdisk::PowerCut power(old.first(), old.log(), 1);
    for (std::size_t at = 0; at <= old.log().size(); ++at) {
      power.advance(at);
      for (int i = 0; i < 4; ++i) {
        INFO("from version " << from << ", cut after " << at << " of " << old.log().size());
        REQUIRE(judge(power.image(random), ledger, at) == "");
      }
    }
  }
}
