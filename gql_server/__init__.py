"""The server. A map of the rooms:

* asgi, cli, cli_serve   what uvicorn loads, the command, and what it serves by; the only roof over both packages
* app, server    routes, middleware, lifespan; uvicorn as we run it
* workers, worker  several processes that serve as one * template  of which they are forked
* parent         theirs, as they know it       * sockets  what is listened on
* pages          the dashboard and GraphiQL, as files
* demo           a server and a carrier at once * demo_screen  what its terminal shows
* demo_access    its key, in a file           * demo_door    given to a browser of this machine
* demo_past      what is behind it at first   * demo_people  who is written to
* simulator      how a campaign is received   * carrier      receipts, posted
* services       everything that a process runs, built and closed in one place
* webhooks       receipts in over HTTP        * health   does it live, can it serve
* ingestion      record, count, tell          * commit   the one transaction that changes messages
* arrivals       a receipt that has come      * plan     what a commit changes
* registration   campaigns, recipients        * live     who watches what
* intake         what callers say of them     * pictures what watchers are shown
* watched        a campaign that is watched   * history  a workspace that is watched
* connections    who is connected, and lives  * pace     how often a watcher is told
* catching_up    who comes back with a cursor * offered  which lists of messages there are
* jobs           what runs by the clock       * events   the nudge between processes
* rollup         old minutes become hours     * recount  the proof that figures are right
* answers        those that are given again    * budgets  what each key may ask for
* audit          who saw numbers and names     * headers  what browsers must not do
* auth           key, token -> viewer         * numbers  phone numbers, in clear and masked
* tokens, jwks   JWTs, and their keys         * attempts who failed to sign in too often
* key_hash       what is kept of a key        * key_use  when a key was used last
* key_secret     GQL_SECRET is the right one   * opening  the database that the settings name
* wire           uvicorn's protocols, bounded * origins  whose pages may ask
* buses          which there are, and need      * local_bus between processes of one machine
* migrating      the database's version         * exposition  how what was counted is shown
* possible       which values settings may have * structured  logs, an object a line
* tracing        whether there are traces        * spans  what is told in them
* erasure        a person is forgotten        * retention old messages go
* erasures       those that a server began    * optouts  STOP and START replies
* enrolment      recipients, into messages   * audience who is written to again
* recipients     files in over HTTP           * doors    who asks, how a refusal is told
* imports, import_run  a file comes in, and on      * destinations  where its people go
* files          a file is read as it comes
* tabular        tables, CSV                   * objects  NDJSON
* lines          text, cut                     * decoding, unpacking  encodings, gzip
* people         contacts and the blacklist   * hygiene  what receipts say of numbers
* reports        tables, asked for by HTTP    * downloads  and sent while they are made
* report_table, people_tables   what is in them * exports  in which forms, and how many at once
* tables, spreadsheets  how they are written  * spool    what waits for a slow reader
* domain/        what the words mean          * providers/  their words, ours
* store/         one file per collection      * database, embedded  Mongo, opened; Mongo, brought along
* settings, errors, logs, metrics, batching, deadlines, clock   what everybody uses
"""

__version__ = "0.1.0"
