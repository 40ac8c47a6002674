/** Who is let in, and which page an address shows. */

import { Center, Loader } from "@mantine/core";
import { lazy, type ReactElement, Suspense, useCallback, useEffect, useMemo, useState } from "react";
import { Provider } from "urql";
import { Redirect, Route, Router, Switch } from "wouter";
import { useHashLocation } from "wouter/use-hash-location";
import { ApiContext, createApi } from "../api/api";
import { type Brought, forget, keep, kept, ofDemo, takeBrought } from "../api/session";
import { Shell } from "./shell";

// Each page comes when it is looked at.
const SignIn = lazy(async () => ({ default: (await import("./sign-in")).SignIn }));
const History = lazy(() => import("../history/history"));
const Report = lazy(() => import("../report/report"));
const Contacts = lazy(() => import("../contacts/contacts"));
const Blacklist = lazy(() => import("../blacklist/blacklist"));
const Import = lazy(() => import("../imports/import"));

/** What the sign-in is asked for: nobody was here yet, somebody left, or the server took the credential no more. */
type Asked = "first" | "left" | "refused";

export function App({ brought }: { brought: Brought }): ReactElement {
  const [credential, setCredential] = useState(() => {
    if (brought.credential !== null) keep(brought.credential, false);
    return brought.credential ?? kept();
  });
  const [asked, setAsked] = useState<Asked>("first");
  const [looking, setLooking] = useState(credential === null);

  useEffect(() => {
    if (!looking) return;
    void ofDemo().then((found) => {
      if (found !== null) setCredential(found);
      setLooking(false);
    });
  }, [looking]);

  // A second link pasted into the same tab changes only the fragment and loads nothing.
  useEffect(() => {
    const follow = () => {
      const link = takeBrought();
      if (link.credential === null) return;
      keep(link.credential, false);
      setCredential(link.credential);
      dispatchEvent(new HashChangeEvent("hashchange"));
    };
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);

  const leave = useCallback((why: Asked) => {
    forget();
    setCredential(null);
    setAsked(why);
  }, []);

  if (looking) {
    return (
      <Center h="100dvh">
        <Loader />
      </Center>
    );
  }
  if (credential === null) {
    return (
      <SignIn
        refused={asked === "refused"}
        onSignedIn={(given, remember) => {
          keep(given, remember);
          setAsked("first");
          setCredential(given);
        }}
      />
    );
  }
  return <SignedIn key={credential} credential={credential} leave={leave} />;
}

function SignedIn({ credential, leave }: { credential: string; leave(why: Asked): void }): ReactElement {
  const api = useMemo(() => createApi(credential, () => leave("refused")), [credential, leave]);
  useEffect(() => api.close, [api]);
  return (
    <ApiContext value={api}>
      <Provider value={api.client}>
        <Router hook={useHashLocation}>
          <Shell onSignOut={() => leave("left")}>
            <Suspense fallback={<Center py="xl"><Loader /></Center>}>
              <Switch>
                <Route path="/" component={History} />
                <Route path="/campaigns/:id/:part?" component={Report} />
                <Route path="/contacts/:list?" component={Contacts} />
                <Route path="/blacklist" component={Blacklist} />
                <Route path="/import" component={Import} />
                <Route>
                  <Redirect to="/" replace />
                </Route>
              </Switch>
            </Suspense>
          </Shell>
        </Router>
      </Provider>
    </ApiContext>
  );
}
