#include "qmgr/judging/new_body.h"

#include <utility>

#include "common/base/text.h"
#include "common/ipc/messages.h"
#include "common/log/log.h"

namespace postwain::qmgr {

// One content thread after another uses it.
struct NewBodyWriter::File {
  std::optional<ContentFile> output;
  std::optional<Error> error;
};

// What was not finished goes, on a thread that may wait for the disk.
NewBodyWriter::~NewBodyWriter() {
  if (file_)
    content_.worker().run(body_.file, [file = std::move(file_)]() -> ContentWorker::Completion {
      file->output.reset();
      return nullptr;
    });
}

bool NewBodyWriter::add(std::string_view octets, std::function<void()> done) {
  body_.size += octets.size();
  if (too_large()) {
    body_.octets.clear();
    return true;
  }
  body_.eight_bit = body_.eight_bit || !is_ascii(octets);
  bool small = !file_ && body_.octets.size() + octets.size() <= ipc::kInlineContentMax;
  if (small) {
    body_.octets += octets;
    return true;
  }
  std::string all = std::exchange(body_.octets, {});
  all += octets;
  write(std::move(all), std::move(done));
  return false;
}

// A file of that name that is there already is left over from a judgement that a crash has ended.
void NewBodyWriter::write(std::string octets, std::function<void()> done) {
  if (!file_) file_ = std::make_shared<File>();
  content_.worker().run(
      body_.file,
      [file = file_, files = content_.files(), id = body_.file, octets = std::move(octets),
       done = std::move(done), lives = std::weak_ptr<bool>(lives_)]() -> ContentWorker::Completion {
        if (!file->output && !file->error) {
          (void)files.remove(id);
          Result<ContentFile> made = ContentFile::create(files, id);
          if (made)
            file->output.emplace(made.take());
          else
            file->error = made.error();
        }
        if (file->output)
          if (Status s = file->output->append(octets); !s) {
            file->error = s.error();
            file->output.reset();
          }
        return [done, lives] {
          if (!lives.expired()) done();
        };
      });
}

void NewBodyWriter::finish(std::function<void(std::optional<NewBody>)> done) {
  if (!file_) return done(std::move(body_));
  body_.in_file = true;
  content_.worker().run(
      body_.file,
      [file = file_, body = body_, files = content_.files(), done = std::move(done),
       lives = std::weak_ptr<bool>(lives_)]() -> ContentWorker::Completion {
        if (file->output)
          if (Status s = file->output->finish(body.size); !s) file->error = s.error();
        file->output.reset();
        std::string error = file->error ? file->error->text : std::string();
        return [body, files, done, lives, error] {
          if (!error.empty())
            log::Line(log::Level::error, "new_body_lost")
                .kv("id", body.file.text())
                .kv("error", error);
          if (lives.expired()) return;
          done(error.empty() ? std::optional(body) : std::nullopt);
        };
      });
}

}  // namespace postwain::qmgr
