"""The server. A map of the rooms:

* asgi, cli      what uvicorn loads, and the command; the only roof over both packages
* app, server    routes, middleware, lifespan; uvicorn as we run it
* services       everything that a process runs, built and closed in one place
* webhooks       receipts in over HTTP        * health   does it live, can it serve
* ingestion      record, count, tell          * commit   the one transaction that changes messages
* arrivals       a receipt that has come      * plan     what a commit changes
* registration   campaigns, recipients        * live     who watches what
* intake         what callers say of them     * pictures what watchers are shown
* watched        a campaign that is watched   * history  a workspace that is watched
* connections    who is connected, and lives  * pace     how often a watcher is told
* catching_up    who comes back with a cursor
* jobs           what runs by the clock       * events   the nudge between processes
* rollup         old minutes become hours     * recount  the proof that figures are right
* erasure        a person is forgotten        * answers  those that are given again
* retention      old messages go
* auth           key -> viewer                * numbers  phone numbers, in clear and masked
* domain/        what the words mean          * providers/  their words, ours
* store/         one file per collection      * database, embedded  Mongo, opened; Mongo, brought along
* settings, errors, logs, metrics, batching, deadlines   what everybody uses
"""

__version__ = "0.1.0"
