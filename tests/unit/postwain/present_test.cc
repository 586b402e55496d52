#include <catch2/catch.hpp>

#include "common/base/text.h"
#include "common/daemon/peer_users.h"

#include "postwain/client/present.h"
#include "postwain/process/role_bundle.h"

using namespace postwain;
using namespace postwain::tool;

TEST_CASE("sizes for people") {
  CHECK(human_size(0) == "0 B");
  CHECK(human_size(1023) == "1023 B");
  CHECK(human_size(4200) == "4.1 KiB");
  CHECK(human_size(52428800) == "50.0 MiB");
}

TEST_CASE("a line of the queue") {
  std::string json =
      R"({"id":"0CZW3PQ5G8S1T","sender":"a@b.org","size":4200,"received_at":"2026-11-21T09:30:00Z",)"
      R"("state":"deferred","recipients":[{"address":"c@d.org","state":"deferred","attempts":2,)"
      R"("next_attempt_at":"2026-11-21T09:45:00Z","last_reply":"450 4.2.0 \u001b[2J later",)"
      R"("last_host":"mx.d.org"}]})";
  CHECK(message_line(json, true) ==
        "ID                  SIZE  RECEIVED              STATE      SENDER\n"
        "0CZW3PQ5G8S1T    4.1 KiB  2026-11-21 09:30:00Z  deferred   a@b.org\n"
        "    c@d.org  deferred, 2 attempts, next 2026-11-21 09:45:00Z\n"
        "        mx.d.org said: 450 4.2.0 \\x1b[2J later\n");
  CHECK(message_line("not json", false) == "not json\n");
  // In colour the same text in the same columns.
  std::string coloured = message_line(json, true, true);
  CHECK(coloured.find("  \033[33mdeferred\033[0m   a@b.org\n") != std::string::npos);
  CHECK(coloured.find("    c@d.org  \033[33mdeferred\033[0m, 2 attempts") != std::string::npos);
  for (std::size_t at; (at = coloured.find('\033')) != std::string::npos;)
    coloured.erase(at, coloured.find('m', at) - at + 1);
  CHECK(coloured == message_line(json, true));
}

TEST_CASE("a line of a queue that nodes share names the one that has the message") {
  const std::string json =
      R"({"id":"0CZW3PQ5G8S1T","sender":"","size":4200,"received_at":"2026-11-21T09:30:00Z",)"
      R"("state":"queued","node":"mx2\u001b","recipients":[]})";
  CHECK(message_line(json, true) ==
        "ID                  SIZE  RECEIVED              STATE      NODE          SENDER\n"
        "0CZW3PQ5G8S1T    4.1 KiB  2026-11-21 09:30:00Z  queued     mx2\\x1b       <> (bounce)\n");
}

TEST_CASE("a reply that is too long for a line is not cut within a character") {
  for (std::size_t before : {0, 1, 2}) {
    std::string reply = "450 " + std::string(before, 'a');
    for (int i = 0; i < 400; ++i) reply += "\xE2\x82\xAC";
    const std::string line = message_line(
        R"({"id":"1","recipients":[{"address":"a@b.org","last_reply":")" + reply + "\"}]}", false);
    CHECK(is_valid_utf8(line));
    CHECK(line.ends_with("...\n"));
  }
}

TEST_CASE("status and other values") {
  CHECK(status_lines(R"({"state":"running","version":"1","processes":[{"name":"qmgr","pid":12}],)"
                     R"("queue":{"messages":3,"recipients":4}})") ==
        "postwain 1 is running\nqueue: 3 messages, 4 recipients\n\nNAME  PID\nqmgr  12\n");
  CHECK(status_lines(R"({"version":"1","state":"running","queue":{"messages":3,"recipients":4,)"
                     R"("store":"sqlite"}})") ==
        "postwain 1 is running\nqueue: 3 messages, 4 recipients, in files of this machine\n");
  CHECK(status_lines(R"({"version":"1","state":"running","queue":{"messages":3,"recipients":4,)"
                     R"("store":"database queue at db1 as postwain"},"cluster":{"node":"mx1",)"
                     R"("standing":"unsure","word_age_ms":3412,"worth_words":"a 250 means"}})") ==
        "postwain 1 is running\n"
        "queue: 3 messages, 4 recipients, in database queue at db1 as postwain\n"
        "cluster: node mx1 is unsure, its word 3.4 s old; a 250 means\n");
  CHECK(status_lines(R"({"version":"1","state":"running","cluster":7})") ==
        "postwain 1 is running\n");
  CHECK(status_lines(R"({"version":"1","state":"running","signer":{"connected":false}})") ==
        "postwain 1 is running\nsigner not connected: mail that is to be signed waits\n");
  CHECK(status_lines(R"({"version":"1","state":"running","signer":{"connected":true}})") ==
        "postwain 1 is running\n");
  CHECK(status_lines(R"({"version":"1","state":"running","dns_lists":[{"label":"zen",)"
                     R"("state":"good","believed":true,"since":"2026-11-30T05:00:00Z",)"
                     R"("testing":false,"next_test":"2026-11-30T06:00:00Z",)"
                     R"("answers":{"not_listed":3,"listed":1,"silent":0}},)"
                     R"({"label":"new","state":"untested","testing":true,"answers":{}},)"
                     R"({"label":"lost","state":"unknown"}]})") ==
        "postwain 1 is running\n"
        "DNS list zen: believed since 2026-11-30 05:00:00Z, next test at 2026-11-30 06:00:00Z; "
        "3 not_listed, 1 listed\n"
        "DNS list new: not tested yet, being tested; nothing answered\n"
        "DNS list lost: unknown; nothing answered\n");
  CHECK(value_lines(R"({"a":{"b":1,"cc":"x"},"t":[{"k":1,"l":null},{"k":22}]})") ==
        "a.b   1\na.cc  x\nt:\n    K   L\n    1\n    22\n");
}

TEST_CASE("each process gets only the files it needs") {
  using config::FileUse;
  config::Loaded loaded;
  loaded.bundle.main_file = "m";
  for (const char* path : {"m", "c", "k", "u", "r", "s", "d", "k2", "x", "y", "z", "p"})
    loaded.bundle.files[path] = path;
  loaded.named_files = {{"c", FileUse::certificate},
                        {"k", FileUse::key},
                        {"u", FileUse::users},
                        {"r", FileUse::recipients},
                        {"s", FileUse::credential},
                        {"d", FileUse::signing_key},
                        {"k2", FileUse::dkim_key},
                        {"x", FileUse::database_roots},
                        {"y", FileUse::database_certificate},
                        {"z", FileUse::database_key},
                        {"p", FileUse::database_secret}};
  auto files = [&](Kind kind) {
    std::string out;
    for (const auto& [path, content] : bundle_for(kind, loaded).files) out += path;
    return out;
  };
  CHECK(files(Kind::smtpd) == "ckmru");
  CHECK(files(Kind::qmgr) == std::string(daemon::kLocalUsersFile) + "mps");
  CHECK(files(Kind::smtp_client) == "m");
  CHECK(files(Kind::reporter) == "dm");
  CHECK(files(Kind::lmtp_client) == "m");
  CHECK(files(Kind::filter) == "m");
  // Keys that sign mail are in one process, and in no other.
  for (std::size_t kind = 0; kind < kKinds; ++kind) {
    CAPTURE(kKindNames[kind]);
    config::Bundle bundle = bundle_for(static_cast<Kind>(kind), loaded);
    CHECK(bundle.files.contains("k2") == (static_cast<Kind>(kind) == Kind::signer));
    // The way to the database and the login there are in two processes.
    for (const char* one : {"x", "y", "z"})
      CHECK(bundle.files.contains(one) == (static_cast<Kind>(kind) == Kind::db_link));
    CHECK(bundle.files.contains("p") == (static_cast<Kind>(kind) == Kind::qmgr));
  }
  CHECK(files(Kind::signer) == "k2m");
}
