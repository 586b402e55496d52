// Signs and verifies messages with our engines for DKIM and ARC, for the tests that ask other
// programs the same.
// It answers requests from its standard input until that ends; each is a line, and then so many
// octets:
//     key NAME OCTETS              a TXT record of that name
//     private NAME OCTETS          a private key (PEM), by a name of the test's own
//     now SECONDS                  the time, since 1970
//     public NAME                  the key record of a private key, as one line
//     sign OCTETS PIECE KEY=SELECTOR,DOMAIN …
//     verify OCTETS PIECE          the body comes in pieces of that many octets
//     arc-seal OCTETS PIECE KEY=SELECTOR,DOMAIN
//     arc-verify OCTETS PIECE
// sign and arc-seal answer the size of the fields, a line end, and the fields; verify a line for
// each signature and then an empty one: its result, d=, s=, and the reason; arc-verify a line with
// the result, the number of sets and the reason. arc-seal seals what it finds by verifying.
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "common/authentication/arc/arc_seal.h"
#include "common/authentication/arc/arc_verify.h"
#include "common/authentication/dkim/published_key.h"
#include "common/authentication/dkim/sign.h"
#include "common/authentication/dkim/verify.h"
#include "common/base/time.h"
#include "common/tls/signing_key.h"

namespace {

using namespace postwain;
using namespace postwain::authentication;
using namespace postwain::authentication::dkim;

struct Tool {
  std::map<std::string, std::vector<std::string>> zone;
  std::map<std::string, tls::SigningKey> keys;
  WallTime now = wall_now();
};

std::string read_octets(std::size_t size) {
  std::string out(size, '\0');
  std::cin.read(out.data(), static_cast<std::streamsize>(size));
  if (!std::cin) std::exit(EXIT_FAILURE);
  return out;
}

struct Parts {
  std::string_view header;
  std::string_view body;
};
Parts parts_of(std::string_view message) {
  if (message.starts_with("\r\n")) return {{}, message.substr(2)};
  std::size_t end = message.find("\r\n\r\n");
  if (end == std::string_view::npos) return {message, {}};
  return {message.substr(0, end + 2), message.substr(end + 4)};
}

template <class Engine>
void feed(Engine& engine, std::string_view body, std::size_t piece) {
  for (; !body.empty(); body.remove_prefix(std::min(piece, body.size())))
    engine.body(body.substr(0, piece));
}

const tls::SigningKey& key_named(const Tool& tool, const std::string& name) {
  auto at = tool.keys.find(name);
  if (at == tool.keys.end()) std::exit(EXIT_FAILURE);
  return at->second;
}

Algorithm algorithm_of_key(const tls::SigningKey& key) {
  return algorithm_of(key.algorithm()).value();
}

struct KeyWord {
  std::string name;  // of the private key
  KeyFacts facts;
};
KeyWord key_word(const Tool& tool, const std::string& word) {
  std::size_t equals = word.find('=');
  std::size_t comma = word.find(',');
  KeyWord out{word.substr(0, equals), {}};
  out.facts = {word.substr(comma + 1), word.substr(equals + 1, comma - equals - 1),
               algorithm_of_key(key_named(tool, out.name))};
  return out;
}

// OCTETS PIECE, and the message.
struct Request {
  std::size_t piece = 0;
  std::string message;
  std::vector<std::string> words;
};
Request read_request(std::istream& words) {
  Request out;
  std::size_t size = 0;
  words >> size >> out.piece;
  for (std::string word; words >> word;) out.words.push_back(word);
  out.message = read_octets(size);
  return out;
}

void print_fields(const std::string& fields) {
  std::cout << fields.size() << "\n" << fields << std::flush;
}

void sign(const Tool& tool, std::istream& words) {
  Request request = read_request(words);
  Parts parts = parts_of(request.message);
  std::vector<KeyFacts> facts;
  std::vector<std::string> names;
  for (const std::string& word : request.words) {
    KeyWord key = key_word(tool, word);
    facts.push_back(key.facts);
    names.push_back(key.name);
  }
  auto engine = DkimSign::begin(parts.header, facts, tool.now);
  if (!engine) std::exit(EXIT_FAILURE);
  feed(*engine, parts.body, request.piece);
  std::string fields;
  std::size_t next = 0;
  for (const SignatureDraft& draft : engine->end_body())
    fields += finished_field(draft, *key_named(tool, names[next++]).sign_digest(draft.hash));
  print_fields(fields);
}

void answer_all(const Tool& tool, DnsEvaluation& engine) {
  auto questions = engine.take_questions();
  for (std::size_t i = 0; i < questions.size(); ++i) {
    auto at = tool.zone.find(questions[i].name);
    if (at == tool.zone.end())
      engine.answer(i, {dns::AnswerStatus::no_such_name});
    else
      engine.answer(i, {dns::AnswerStatus::ok, at->second});
  }
}

void verify(const Tool& tool, std::istream& words) {
  Request request = read_request(words);
  Parts parts = parts_of(request.message);
  DkimVerify engine(parts.header, "", tool.now);
  answer_all(tool, engine);
  feed(engine, parts.body, request.piece);
  engine.end_body();
  for (const SignatureResult& one : engine.results())
    std::cout << name_of(one.verdict) << " " << one.domain_key << " " << one.selector << " "
              << one.reason << "\n";
  std::cout << std::endl;
}

arc::ArcResult arc_result(const Tool& tool, const Parts& parts, std::size_t piece) {
  arc::ArcVerify engine(parts.header);
  answer_all(tool, engine);
  feed(engine, parts.body, piece);
  engine.end_body();
  return engine.result();
}

void arc_verify(const Tool& tool, std::istream& words) {
  Request request = read_request(words);
  arc::ArcResult result = arc_result(tool, parts_of(request.message), request.piece);
  std::cout << name_of(result.verdict) << " " << result.sets << " " << result.reason << std::endl;
}

void arc_seal(const Tool& tool, std::istream& words) {
  Request request = read_request(words);
  Parts parts = parts_of(request.message);
  KeyWord key = key_word(tool, request.words.at(0));
  const tls::SigningKey& own = key_named(tool, key.name);
  arc::ArcVerdict verdict = arc_result(tool, parts, request.piece).verdict;
  auto seal = arc::ArcSeal::begin(parts.header, verdict, "mx.example; none", key.facts, tool.now);
  if (!seal) std::exit(EXIT_FAILURE);
  feed(*seal, parts.body, request.piece);
  std::string signature = own.sign_digest(seal->end_body()).take();
  std::string hash = seal->seal_hash(signature);
  print_fields(seal->finish(own.sign_digest(hash).take()));
}

bool obey(Tool& tool, const std::string& line) {
  std::istringstream words(line);
  std::string word;
  std::string name;
  std::size_t size = 0;
  words >> word;
  if (word == "sign") return sign(tool, words), true;
  if (word == "verify") return verify(tool, words), true;
  if (word == "arc-seal") return arc_seal(tool, words), true;
  if (word == "arc-verify") return arc_verify(tool, words), true;
  if (word == "now") return words >> size, tool.now = from_unix_ms(1000 * std::int64_t(size)), true;
  words >> name;
  if (word == "public") {
    const tls::SigningKey& key = key_named(tool, name);
    std::cout << key_record_text(algorithm_of_key(key), key.public_key()) << std::endl;
    return true;
  }
  words >> size;
  if (word == "key") return tool.zone[name].push_back(read_octets(size)), true;
  if (word != "private") return false;
  auto key = tls::SigningKey::from_pem(read_octets(size));
  return key && tool.keys.emplace(name, *key).second;
}

}  // namespace

int main() {
  Tool tool;
  for (std::string line; std::getline(std::cin, line);)
    if (!obey(tool, line)) return EXIT_FAILURE;
  return EXIT_SUCCESS;
}
