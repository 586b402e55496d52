// Folders of one process alone, and what they must not be.
#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include "common/config/config.h"
#include "common/config/folder_clash.h"
#include "common/config/load/bundle.h"

using namespace postwain::config;

namespace {

constexpr const char* kHead =
    "hostname = \"mx.x\"\nspool_dir = \"/var/spool/p\"\nruntime_dir = \"/run/p\"\n"
    "drop_dir = \"/var/drop\"\n[authentication]\n";

std::vector<std::string> mistakes_of(const std::string& tables) {
  Loaded loaded = parse(Bundle{"/etc/p/t.toml", {{"/etc/p/t.toml", kHead + tables}}});
  std::vector<std::string> out;
  for (const Diagnostic& one : loaded.diagnostics) out.push_back(one.text());
  return out;
}

std::string table(const std::string& section, const std::string& folder) {
  std::string from = section == "strangers" ? "" : "from = \"r@x.test\"\n";
  return "[" + section + "]\n" + from + "folder = \"" + folder + "\"\n";
}

}  // namespace

TEST_CASE("a folder of one process alone is apart from all that others need") {
  struct Row {
    const char* folder;
    const char* clash;  // null: none
  };
  const Row rows[] = {
      {"/var/spool/p", "the same folder as spool_dir (/var/spool/p)"},
      {"/var/spool/p/", "the same folder as spool_dir"},
      {"//var//spool/./x/../p", "the same folder as spool_dir"},
      {"../../var/spool/p", "the same folder as spool_dir"},
      {"/var/spool/p/content", "inside of spool_dir"},
      {"/var/spool/p/reports", "inside of spool_dir"},
      {"/var/spool", "above spool_dir"},
      {"/var/spool/", "above spool_dir"},
      {"/", "above spool_dir"},
      {"/run/p", "the same folder as runtime_dir (/run/p)"},
      {"/run/p/x", "inside of runtime_dir"},
      {"/run", "above runtime_dir"},
      {"/var/drop", "the same folder as drop_dir"},
      {"/var/drop/x", "inside of drop_dir"},
      {"/etc/p", "the same folder as the folder of the configuration"},
      {".", "the same folder as the folder of the configuration"},
      {"/etc", "above the folder of the configuration"},
      {"/var/spool/p-reports", nullptr},
      {"/var/spool/..p", nullptr},
      {"/run/pp", nullptr},
      {"/var/dro", nullptr},
      {"reports", nullptr},  // as a spool may be
      {"/srv/reports", nullptr},
  };
  for (const char* section : {"strangers", "tls_reports", "dmarc_reports"})
    for (const Row& row : rows) {
      INFO(section << " " << row.folder);
      std::vector<std::string> found = mistakes_of(table(section, row.folder));
      REQUIRE(found.size() == (row.clash == nullptr ? 0 : 1));
      if (row.clash == nullptr) continue;
      CHECK(found[0].find(std::string("folder of [") + section + "]") != std::string::npos);
      CHECK(found[0].find(row.clash) != std::string::npos);
    }
}

TEST_CASE("nor is it that of another such table") {
  using Mistakes = std::vector<std::string>;
  CHECK(mistakes_of(table("strangers", "/a/b") + table("tls_reports", "/a/b")) ==
        Mistakes{"/etc/p/t.toml:10:10: folder of [tls_reports]: /a/b is the same folder as that of "
                 "[strangers] (/a/b); it needs one of its own"});
  CHECK(mistakes_of(table("dmarc_reports", "/a/b/c") + table("tls_reports", "/a/b")) ==
        Mistakes{"/etc/p/t.toml:8:10: folder of [dmarc_reports]: /a/b/c is inside of that of "
                 "[tls_reports] (/a/b); it needs one of its own"});
  CHECK(mistakes_of(table("strangers", "/a/b") + table("dmarc_reports", "/a")).size() == 1);
  CHECK(mistakes_of(table("strangers", "/a/b") + table("tls_reports", "/a/c") +
                    table("dmarc_reports", "/a/d"))
            .empty());
  // The default of one, named by another; and a default in the drop folder.
  CHECK(mistakes_of("[dmarc_reports]\nfrom = \"r@x.test\"\n" +
                    table("tls_reports", "/var/spool/p-dmarc-reports")) ==
        Mistakes{"/etc/p/t.toml:6:1: folder of [dmarc_reports]: /var/spool/p-dmarc-reports is the "
                 "same folder as that of [tls_reports] (/var/spool/p-dmarc-reports); it needs one "
                 "of its own"});
}

TEST_CASE("a table that is not there has no folder") {
  Config config;
  config.strangers.folder = config.tls_reports.folder = config.spool_dir;
  CHECK(folder_clashes(config, "/etc/p/").empty());
  config.strangers.wanted = true;
  CHECK(folder_clashes(config, "/etc/p/").size() == 1);
}

TEST_CASE("paths are compared in the form that is asked for") {
  Config config;
  config.strangers.wanted = true;
  config.strangers.folder = "/link";
  CHECK(folder_clashes(config, "").empty());
  auto follow = [](const std::string& path) {
    return path == "/link" || path == "/var/lib/postwain/content" ? std::string("/disk/c") : path;
  };
  CHECK(folder_clashes(config, "", follow).size() == 1);
}
