// SPDX-License-Identifier: MIT
// The program that makes and judges truth: measures layouts, trains models, holds them against what
// was measured. No dom0 needs it.
#include "bench/cli/commands.hpp"

using namespace intellisched;

int main(int argc, char** argv) {
    CLI::App app{"Measures runqueue layouts, and trains and judges the models of intellisched.",
                 "intellisched-bench"};
    app.footer("Exit status: 0 done, 1 failed, 2 wrong usage.");
    cli::Action action;
    cli::add_bench(app, action);
    cli::add_train(app, action);
    cli::add_evaluate(app, action);
    cli::add_export(app, action);
    cli::add_import(app, action);
    cli::add_calibrate(app, action);
    cli::add_what_if(app, action);
    cli::add_demo(app, action);
    return cli::run_program(app, action, argc, argv);
}
