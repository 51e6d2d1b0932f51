// SPDX-License-Identifier: MIT
// main() of the doctest programs. Prints TAP: a line a test case, and what failed in it after "#".
// doctest's own options work: -tc='*pattern*' for some cases, -r=console for doctest's own output.
#define DOCTEST_CONFIG_IMPLEMENT
#include "src/base/log.hpp"

#include <cstdlib>
#include <doctest/doctest.h>
#include <mutex>
#include <ostream>
#include <sstream>
#include <string>

namespace {

/// Each line of `text` as a comment of TAP.
std::string comment(const std::string& text) {
    std::string out;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) out += "#   " + line + "\n";
    return out;
}

class Tap : public doctest::IReporter {
  public:
    explicit Tap(const doctest::ContextOptions& options) : out_(*options.cout) {}

    void test_case_start(const doctest::TestCaseData& data) override {
        name_ = data.m_name;
        problems_.clear();
        subcase_.clear();
    }
    void test_case_end(const doctest::CurrentTestCaseStats& stats) override {
        const bool good = stats.testCaseSuccess;
        // A # would begin a directive.
        for (char& c : name_)
            if (c == '#' || c == '\n') c = ' ';
        out_ << (good ? "ok " : "not ok ") << ++count_ << " - " << name_ << "\n" << problems_;
        out_.flush();
    }
    void log_assert(const doctest::AssertData& data) override {
        if (!data.m_failed) return;
        std::ostringstream text;
        text << data.m_file << ":" << data.m_line << ": " << doctest::assertString(data.m_at)
             << "( " << data.m_expr << " )\n";
        if (data.m_threw)
            text << "threw " << data.m_exception.c_str() << "\n";
        else
            text << "values: " << data.m_decomp.c_str() << "\n";
        add(text.str());
    }
    void test_case_exception(const doctest::TestCaseException& error) override {
        add(std::string("exception: ") + error.error_string.c_str());
        const std::lock_guard lock(mutex_);
        for (int i = 0; i < get_num_stringified_contexts(); ++i)
            problems_ += comment(std::string("with ") + get_stringified_contexts()[i].c_str());
    }
    void log_message(const doctest::MessageData& data) override {
        add(std::string(data.m_file) + ":" + std::to_string(data.m_line) + ": " +
            data.m_string.c_str());
    }
    void test_run_end(const doctest::TestRunStats&) override {
        out_ << "1.." << count_ << std::endl;
    }
    void report_query(const doctest::QueryData& query) override {
        for (unsigned i = 0; i < query.num_data; ++i) out_ << query.data[i]->m_name << "\n";
    }
    void test_run_start() override {}
    void test_case_reenter(const doctest::TestCaseData&) override {}
    void subcase_start(const doctest::SubcaseSignature& subcase) override {
        subcase_ = subcase.m_name.c_str();
    }
    void subcase_end() override {}
    void test_case_skipped(const doctest::TestCaseData&) override {}

  private:
    void add(const std::string& text) {
        const std::lock_guard lock(mutex_);
        problems_ += comment(subcase_.empty() ? text : subcase_ + ": " + text);
        for (int i = 0; i < get_num_active_contexts(); ++i) {
            std::ostringstream context;
            get_active_contexts()[i]->stringify(&context);
            problems_ += comment("with " + context.str());
        }
    }

    std::ostream& out_;
    std::mutex mutex_;
    std::string name_, subcase_, problems_;
    unsigned count_ = 0;
};

DOCTEST_REGISTER_REPORTER("tap", 1, Tap);

} // namespace

// A program that a test ends with exit(0) has not passed.
static bool ended = false;

int main(int argc, char** argv) {
    std::atexit([] {
        if (!ended) std::_Exit(1);
    });
    // To stderr: stdout is TAP.
    intellisched::start_log(boost::log::trivial::severity_level::info);
    doctest::Context context;
    context.setOption("reporters", "tap");
    context.applyCommandLine(argc, argv);
    const int status = context.run();
    ended = true;
    return status;
}
