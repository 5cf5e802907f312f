//! The registry at work: applications and those who opted out on disk, and what the rules know of them in memory.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::domain::Msisdn;
use crate::policy::content::{Campaign, Content};
use crate::policy::opted_out::OptedOut;

use super::application::{Application, Form};
use super::file::File;
pub use super::file::{FILE, Filter, OptOut, Step};
use super::reading;
use super::workflow::{self, Act, Actor, Refused, Site};

/// Applications that are read at a time.
const PAGE: usize = 1000;

/// The registry of one gateway.
#[derive(Debug)]
pub struct Registry(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    file: File,
    /// What the rules know, by the application's number.
    live: BTreeMap<u32, Campaign>,
    snapshot: Snapshot,
}

/// What the rules are to know from now on.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The registered and approved texts.
    pub content: Arc<Content>,
    /// Who has opted out.
    pub opted_out: Arc<OptedOut>,
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The workflow does not allow it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// There is no such application.
    #[error("there is no such application")]
    NotFound,
    /// Somebody else has changed it since it was looked at.
    #[error("it is of revision {0} by now")]
    Changed(u32),
    /// The file cannot be read or written.
    #[error("the registry's file cannot be used: {0}")]
    File(#[from] rusqlite::Error),
}

/// What an act has come to.
#[derive(Clone, Debug)]
pub struct Acted {
    /// The application before it.
    pub before: Application,
    /// The application after it.
    pub after: Application,
}

/// Told of every change, in the order of the changes; what it is given is in force when it returns.
pub type Publish<'a> = &'a dyn Fn(Snapshot);

impl Registry {
    /// Opens or makes the registry of a folder.
    pub fn open(folder: &Path) -> Result<Self, RegistryError> {
        let file = File::open(folder)?;
        let (live, snapshot) = read(&file)?;
        Ok(Self(Mutex::new(Inner { file, live, snapshot })))
    }

    /// What the registry of a folder holds now, whoever has it open; nothing where there is none.
    pub fn peek(folder: &Path) -> Result<Snapshot, RegistryError> {
        if !folder.join(FILE).exists() {
            return Ok(Snapshot::default());
        }
        Ok(read(&File::open_to_read(folder)?)?.1)
    }

    /// Hands over all applications that the registry of a folder holds now, whoever has it open, some at a time; none where
    /// there is none.
    pub fn peek_applications(folder: &Path, each: impl FnMut(&[Application])) -> Result<(), RegistryError> {
        if !folder.join(FILE).exists() {
            return Ok(());
        }
        let file = File::open_to_read(folder)?;
        pages(|behind| Ok(file.list(&Filter::default(), behind, PAGE)?), each)
    }

    /// Hands over all applications, some at a time. The registry is free for others between them.
    pub fn applications(&self, each: impl FnMut(&[Application])) -> Result<(), RegistryError> {
        pages(|behind| self.list(&Filter::default(), behind, PAGE), each)
    }

    /// What the rules are to know.
    pub fn snapshot(&self) -> Snapshot {
        self.0.lock().snapshot.clone()
    }

    /// Enters new applications as drafts, all of them or none. Gives their numbers.
    pub fn draft(
        &self,
        forms: Vec<Form>,
        actor: &Actor<'_>,
        site: &Site<'_>,
        publish: Publish<'_>,
    ) -> Result<Vec<Application>, (usize, RegistryError)> {
        let mut inner = self.0.lock();
        let whole = |error: rusqlite::Error| (0, RegistryError::from(error));
        let change = inner.file.change().map_err(whole)?;
        let mut made = Vec::new();
        for (index, form) in forms.into_iter().enumerate() {
            let one = || -> Result<Application, RegistryError> {
                let application = workflow::draft(change.number()?, form, actor, site)?;
                change.write(&application)?;
                change.step(&application, actor.now, [actor.by, actor.word_of(), "new", actor.opinion])?;
                Ok(application)
            };
            made.push(one().map_err(|error| (index, error))?);
        }
        let generation = change.commit().map_err(whole)?;
        inner.publish(generation, publish);
        Ok(made)
    }

    /// Does something with an application. `revision` is the one that the caller has seen.
    pub fn act(
        &self,
        number: u32,
        revision: Option<u32>,
        act: &Act,
        actor: &Actor<'_>,
        site: &Site<'_>,
        publish: Publish<'_>,
    ) -> Result<Acted, RegistryError> {
        let mut inner = self.0.lock();
        let change = inner.file.change()?;
        let before = change.application(number)?.ok_or(RegistryError::NotFound)?;
        if revision.is_some_and(|seen| seen != before.revision) {
            return Err(RegistryError::Changed(before.revision));
        }
        let after = workflow::apply(&before, act, actor, site)?;
        change.write(&after)?;
        change.step(&after, actor.now, [actor.by, actor.word_of(), act.word(), actor.opinion])?;
        let generation = change.commit()?;
        match reading::campaign(&after) {
            Ok(Some(campaign)) => drop(inner.live.insert(number, campaign)),
            Ok(None) | Err(_) => drop(inner.live.remove(&number)),
        }
        inner.publish(generation, publish);
        Ok(Acted { before, after })
    }

    /// An application with the steps of its way.
    pub fn application(&self, number: u32) -> Result<(Application, Vec<Step>), RegistryError> {
        let inner = self.0.lock();
        let application = inner.file.application(number)?.ok_or(RegistryError::NotFound)?;
        Ok((application, inner.file.steps(number)?))
    }

    /// Applications behind a number, in the order of their numbers.
    pub fn list(&self, filter: &Filter, behind: u32, limit: usize) -> Result<Vec<Application>, RegistryError> {
        Ok(self.0.lock().file.list(filter, behind, limit)?)
    }

    /// How many applications there are in each state.
    pub fn counts(&self) -> Result<Vec<(String, u64)>, RegistryError> {
        Ok(self.0.lock().file.counts()?)
    }

    /// Enters some who opted out. Gives how many of them are new.
    pub fn opt_out(&self, entries: &[OptOut], publish: Publish<'_>) -> Result<usize, RegistryError> {
        let mut inner = self.0.lock();
        let change = inner.file.change()?;
        let mut new = Vec::new();
        for entry in entries {
            if change.opt_out(entry)? {
                new.push((entry.number, entry.account.as_deref()));
            }
        }
        if new.is_empty() {
            return Ok(0);
        }
        change.commit()?;
        let count = new.len();
        inner.snapshot.opted_out = Arc::new(inner.snapshot.opted_out.with(new));
        publish(inner.snapshot.clone());
        Ok(count)
    }

    /// Takes entries out again. Gives how many there were.
    pub fn opt_in(&self, entries: &[(Msisdn, Option<&str>)], publish: Publish<'_>) -> Result<usize, RegistryError> {
        let mut inner = self.0.lock();
        let change = inner.file.change()?;
        let mut gone = Vec::new();
        for (number, account) in entries {
            if change.opt_in(*number, *account)? {
                gone.push((*number, *account));
            }
        }
        if gone.is_empty() {
            return Ok(0);
        }
        change.commit()?;
        let count = gone.len();
        inner.snapshot.opted_out = Arc::new(inner.snapshot.opted_out.without(gone));
        publish(inner.snapshot.clone());
        Ok(count)
    }

    /// What is known of a subscriber.
    pub fn opted_out_of(&self, number: Msisdn) -> Result<Vec<(i64, OptOut)>, RegistryError> {
        Ok(self.0.lock().file.opted_out_of(number)?)
    }

    /// Entries of those who opted out, behind an id, in the order of their ids.
    pub fn opted_out(&self, behind: i64, limit: usize) -> Result<Vec<(i64, OptOut)>, RegistryError> {
        Ok(self.0.lock().file.opted_out(behind, limit)?)
    }

    /// Makes a copy in another folder.
    pub fn copy(&self, folder: &Path) -> Result<(), RegistryError> {
        Ok(self.0.lock().file.copy(folder)?)
    }
}

impl Inner {
    fn publish(&mut self, generation: u64, publish: Publish<'_>) {
        self.snapshot.content = Arc::new(Content::new(generation, self.live.values().cloned().collect()));
        publish(self.snapshot.clone());
    }
}

fn pages(
    list: impl Fn(u32) -> Result<Vec<Application>, RegistryError>,
    mut each: impl FnMut(&[Application]),
) -> Result<(), RegistryError> {
    let mut behind = 0;
    loop {
        let page = list(behind)?;
        let Some(end) = page.last() else { return Ok(()) };
        behind = end.number;
        each(&page);
    }
}

/// What a file holds, as the rules are to know it.
fn read(file: &File) -> rusqlite::Result<(BTreeMap<u32, Campaign>, Snapshot)> {
    let (mut live, mut unreadable) = (BTreeMap::new(), 0);
    file.live(|application| match reading::campaign(&application) {
        Ok(campaign) => live.extend(campaign.map(|campaign| (application.number, campaign))),
        Err(_) => unreadable += 1,
    })?;
    if unreadable > 0 {
        tracing::error!(
            event = "registry_unreadable",
            contents = unreadable,
            "contents that can be read no more may not be sent"
        );
    }
    let (mut entries, mut behind) = (Vec::new(), 0);
    loop {
        let page = file.opted_out(behind, 100_000)?;
        let Some((last, _)) = page.last() else { break };
        behind = *last;
        entries.extend(page.into_iter().map(|(_, own)| (own.number, own.account)));
    }
    let opted_out = OptedOut::new(entries.iter().map(|(number, account)| (*number, account.as_deref())));
    let content = Content::new(file.generation()?, live.values().cloned().collect());
    Ok((live, Snapshot { content: Arc::new(content), opted_out: Arc::new(opted_out) }))
}

#[cfg(test)]
mod tests;
